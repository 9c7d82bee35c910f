"""A kept demo: the command ends with the demo's exit code, its child goes on until it is told."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import os, signal, sys
from pathlib import Path
from metallb_lab.demo.background import run_apart

def work(parent):
    Path(sys.argv[1]).write_text(str(os.getpid()))
    if sys.argv[3] == "fail":
        raise RuntimeError("it broke")
    if sys.argv[3] == "early":
        return 5
    if sys.argv[3] == "interrupt":
        try:
            print("working", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            return 130
    parent.release(int(sys.argv[3]), Path(sys.argv[2]))
    print("said after the release")
    sys.stdout.flush()
    signal.sigwait({signal.SIGUSR1})
    return 0

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
sys.exit(run_apart(work))
"""


def _command(tmp_path: Path, how: str) -> list[str]:
    return [sys.executable, "-c", CHILD, str(tmp_path / "pid"), str(tmp_path / "log"), how]


def _run(tmp_path: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(tmp_path, how), capture_output=True, text=True, timeout=30, check=False
    )


def test_the_command_ends_with_the_code_and_the_child_goes_on(tmp_path: Path) -> None:
    done = _run(tmp_path, "3")
    assert done.returncode == 3
    child = os.pidfd_open(int((tmp_path / "pid").read_text()))
    try:
        signal.pidfd_send_signal(child, signal.SIGUSR1)  # raises were it gone
        assert select.select([child], [], [], 30)[0]
    finally:
        os.close(child)
    assert done.stdout == ""
    assert (tmp_path / "log").read_text() == "said after the release\n"


def test_a_child_that_fails_tells_why(tmp_path: Path) -> None:
    done = _run(tmp_path, "fail")
    assert done.returncode == 1
    assert "error: it broke" in done.stderr


def test_a_child_that_ends_early_gives_its_code(tmp_path: Path) -> None:
    assert _run(tmp_path, "early").returncode == 5


def test_control_c_reaches_the_child(tmp_path: Path) -> None:
    with subprocess.Popen(
        ["env", "--default-signal=INT", *_command(tmp_path, "interrupt")],
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "working\n"
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=30) == 130
