"""Commands are passed on, counted, limited, and never silent for long."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

import stages
from stages import Counts

if TYPE_CHECKING:
    from pathlib import Path

SUITE = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>'


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_counts_are_read_from_junit(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(SUITE)
    assert stages.read_counts(path) == Counts(passed=5, failed=3, skipped=1)


@pytest.mark.parametrize("text", [None, "", SUITE[:-5]])
def test_a_file_that_cannot_be_read_counts_nothing(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "junit.xml"
    if text is not None:
        path.write_text(text)
    assert stages.read_counts(path) == Counts()


def test_counts_add_up_and_read_like_pytest() -> None:
    assert str(Counts(1, 2) + Counts(3, 4)) == "4 passed, 6 failed"
    assert str(Counts(1, 0, 2)) == "1 passed, 0 failed, 2 skipped"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (75, "75 s"), (119.4, "119 s"), (723, "12 min 3 s")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert stages.in_words(seconds) == words


def test_what_a_command_prints_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    code, seconds = stages.run("x", python("print('hello'); exit(3)"), limit_seconds=60)
    assert code == 3
    assert seconds > 0
    assert "hello" in capfd.readouterr().out


@pytest.mark.parametrize(("exit_code", "is_shown"), [(0, False), (1, True)])
def test_a_quiet_command_is_shown_when_it_fails(
    capfd: pytest.CaptureFixture[str], exit_code: int, is_shown: bool
) -> None:
    command = python(f"print('hello'); exit({exit_code})")
    stages.run("x", command, limit_seconds=60, is_quiet=True)
    assert ("hello" in capfd.readouterr().out) is is_shown


def test_a_silent_command_is_said_to_run_still(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stages, "QUIET_SECONDS", 0.0)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    said = stages.write

    def write(data: bytes) -> None:
        said(data)
        if b"still running" in data and fifo.exists():
            fifo.open("w").close()  # only now may the command go on
            fifo.unlink()

    monkeypatch.setattr(stages, "write", write)
    command = python(f"import sys; sys.stdout.write('.'); open({str(fifo)!r}).read()")
    assert stages.run("quiet", command, limit_seconds=60)[0] == 0
    assert "[quiet] 0." in capfd.readouterr().out


def test_a_command_that_overstays_is_ended_with_all_it_started(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stages, "PATIENCE_SECONDS", 0.1)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    command = ["sh", "-c", f"exec 3>{fifo}; echo begun >&3; trap '' TERM; sleep 600 & wait"]
    code, _ = stages.run("long", command, limit_seconds=2)
    assert code == stages.LIMIT_EXIT
    assert "[long] ended at its limit" in capfd.readouterr().out
    os.set_blocking(end, True)
    assert os.read(end, 100) == b"begun\n"
    assert os.read(end, 100) == b""  # the end of the file: nobody holds the other end any more
    os.close(end)
