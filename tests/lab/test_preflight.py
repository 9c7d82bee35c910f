"""What is missing is told with why it is needed and what would help."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from metallb_lab import preflight

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = (1 << 41) - 1
NET_ADMIN, SYS_ADMIN = 1 << 12, 1 << 21


def _find_all_but(*missing: str) -> Callable[[str], str | None]:
    return lambda name: None if name in missing else f"/usr/sbin/{name}"


def test_nothing_is_missing_on_a_machine_that_has_it_all() -> None:
    assert preflight.missing(_find_all_but(), user_id=0, capabilities=ALL) == []


def test_without_root_it_says_what_root_is_for() -> None:
    [found] = preflight.missing(_find_all_but(), user_id=1000, capabilities=0)
    assert str(found) == (
        "root: network namespaces, raw sockets and nftables need it, this is user 1000; "
        "run it with sudo"
    )


@pytest.mark.parametrize("held", [ALL & ~NET_ADMIN, ALL & ~SYS_ADMIN, 0])
def test_a_root_without_its_capabilities_is_told_apart(held: int) -> None:
    [found] = preflight.missing(_find_all_but(), user_id=0, capabilities=held)
    assert found.what == "CAP_NET_ADMIN and CAP_SYS_ADMIN"


@pytest.mark.parametrize(("command", "package"), [(k, v[0]) for k, v in preflight.COMMANDS.items()])
def test_each_missing_command_names_its_package(command: str, package: str) -> None:
    [found] = preflight.missing(_find_all_but(command), user_id=0, capabilities=ALL)
    assert found.what == f"the command {command}"
    assert found.remedy == f"install {package}"


def test_everything_that_is_missing_is_listed_at_once() -> None:
    found = preflight.missing(_find_all_but(*preflight.COMMANDS), user_id=7, capabilities=0)
    assert len(found) == 1 + len(preflight.COMMANDS)


@pytest.mark.netns
def test_the_machine_that_runs_these_tests_can_run_a_lab() -> None:
    assert preflight.missing() == []
    assert shutil.which("ip") is not None
