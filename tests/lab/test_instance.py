"""A lab owns a name, a directory, namespaces, processes; it is cleared when its owner is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from metallb_lab import instance, netns
from metallb_lab.instance import Instance, began_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.netns

LAB = """
import signal, subprocess, sys
from pathlib import Path
from metallb_lab import instance, netns
instance.HOME = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with instance.Instance() as lab:
    netns.run("ip", "netns", "add", lab.namespace("n1"))
    child = subprocess.Popen(["sleep", "600"])
    lab.note_process(child.pid)
    print(lab.name, child.pid, flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "HOME", tmp_path)


@contextlib.contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@contextlib.contextmanager
def lab_of_another(home: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A lab in a process of its own: the process, the lab's name, the pid that it noted."""
    command = [sys.executable, "-c", LAB, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, pid = process.stdout.readline().split()
        yield process, name, int(pid)
        process.kill()


def test_a_name_that_another_lab_has_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["0001", "0001", "0002"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(drawn))
    with Instance() as first, Instance() as second:
        assert [first.name, second.name] == ["mlab0001", "mlab0002"]


def test_a_process_is_known_by_when_it_began() -> None:
    assert began_at(os.getpid()) == began_at(os.getpid())
    with sleeper() as process:
        assert began_at(process.pid) is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert began_at(process.pid) is None  # a zombie
    assert began_at(process.pid) is None


def test_leaving_takes_everything_along() -> None:
    with sleeper() as process:
        with Instance() as lab:
            netns.run("ip", "netns", "add", lab.namespace("n1"))
            lab.note_process(process.pid)
            assert (lab.directory / "logs").is_dir()
            assert netns.exists(lab.namespace("n1"))
        assert process.wait(10) == -signal.SIGKILL
    assert not lab.directory.exists()
    assert not netns.exists(lab.namespace("n1"))


def test_a_pid_that_was_given_anew_is_left_alone() -> None:
    with sleeper() as process:
        with Instance() as lab:
            notes = lab.directory / "processes"
            notes.write_text(f"{process.pid} {(began_at(process.pid) or 0) - 1}\n")
        assert process.poll() is None


def test_a_note_that_was_cut_off_hides_no_other() -> None:
    with sleeper() as process:
        with Instance() as lab:
            lab.note_process(process.pid)
            with (lab.directory / "processes").open("a") as notes:
                notes.write("123")
        assert process.wait(10) == -signal.SIGKILL


def test_names_do_not_run_into_each_other() -> None:
    with Instance("mlabtest") as one, Instance("mlabtest2") as two:
        netns.run("ip", "netns", "add", two.namespace("n1"))
        instance.clear(one.directory)
        assert netns.exists(two.namespace("n1"))


def test_two_labs_of_one_name_are_refused() -> None:
    with Instance("mlabtwice"), pytest.raises(FileExistsError):
        Instance("mlabtwice").__enter__()


def test_the_next_lab_clears_one_whose_owner_was_killed(tmp_path: Path) -> None:
    with lab_of_another(tmp_path) as (process, name, noted):
        process.kill()
        process.wait(10)
        assert netns.exists(f"{name}-n1")
        assert began_at(noted) is not None
        with Instance():
            assert not (tmp_path / name).exists()
            assert not netns.exists(f"{name}-n1")
            assert began_at(noted) is None


def test_the_next_lab_leaves_one_that_lives_alone(tmp_path: Path) -> None:
    with lab_of_another(tmp_path) as (_, name, noted):
        with Instance():
            assert instance.clear_leftovers() == []
        assert netns.exists(f"{name}-n1")
        assert began_at(noted) is not None
        assert instance.end([name]) == [name]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": 1, "began": -1}', '{"pid": "x"}'])
def test_a_directory_that_says_nothing_of_its_owner_is_cleared(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlabodd").mkdir()
    (tmp_path / "mlabodd" / "owner.json").write_text(text)
    assert instance.clear_leftovers() == ["mlabodd"]
    assert not (tmp_path / "mlabodd").exists()


def test_a_lab_is_ended_by_its_name(tmp_path: Path) -> None:
    with lab_of_another(tmp_path) as (first, name, noted), lab_of_another(tmp_path) as other:
        assert instance.end([name, "mlabnone"]) == [name]
        assert first.wait(10) == 0  # it was asked, and ended by itself
        assert began_at(noted) is None
        assert not netns.exists(f"{name}-n1")
        assert netns.exists(f"{other[1]}-n1")
        assert instance.end() == [other[1]]
