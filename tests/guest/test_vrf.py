"""What needs a VRF, in a guest: this machine's kernel need not have one."""

from __future__ import annotations

import re
import sys

import pytest

from metallb_lab import guest

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]

POWER_OFF = "import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)"


def test_sessions_go_through_a_vrf() -> None:
    outcome = guest.run(guest.pytest_command(["tests/guest/vrf.py"]), guest.packaged())
    passed = re.search(r"^(\d+) passed in", outcome.output, re.MULTILINE)
    assert outcome.code == 0, outcome.output
    assert passed is not None, outcome.output
    assert int(passed[1]) >= 7, "none was left out"


def test_a_test_that_fails_in_the_guest_fails_here() -> None:
    outcome = guest.run(["false"], guest.packaged())
    assert outcome.code == 1


def test_a_guest_that_ends_early_is_told_with_its_console() -> None:
    command = ["sh", "-c", f"echo farewell; exec {sys.executable} -c '{POWER_OFF}'"]
    with pytest.raises(guest.GuestError, match=r"(?s)came to no end.*farewell"):
        guest.run(command, guest.packaged())


def test_a_guest_that_does_not_end_is_ended() -> None:
    with pytest.raises(guest.GuestError, match="came to no end"):
        guest.run(["sleep", "600"], guest.packaged(), limit_seconds=1.0)
