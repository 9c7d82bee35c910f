"""The supervisor and its two children, as real processes in a namespace without interfaces.

The API server is an address where nobody listens, so policy tries again and again; that is enough
to see who is started again when, and how all of it ends.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.apiserver import certificates
from metallb_lab.instance import Instance, began_at
from metallb_lab.realserver import kubeconfig
from metallb_speaker import supervisor
from metallb_speaker.settings import CONFIGURATION_EXIT
from metallb_speaker.supervisor import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_SECONDS = 60.0


def wait_until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < ends_at, f"waited in vain:\n{what()}"
        signal.sigtimedwait([], 0.01)


class Speaker:
    """A speaker with its supervisor."""

    def __init__(self, instance: Instance, *arguments: str) -> None:
        directory, namespace = instance.directory, instance.namespace("n1")
        netns.run("ip", "netns", "add", namespace)
        (directory / "keys").write_text("0" * 32)
        certificates.write_serving(directory, ["localhost"], ["127.0.0.1"])
        ca = base64.b64encode((directory / "ca.pem").read_bytes()).decode()
        (directory / "kubeconfig").write_text(kubeconfig("https://127.0.0.1:1", "token", ca))
        self.log = directory / "logs" / "speaker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", namespace),
                    *(sys.executable, "-m", "metallb_speaker", "--node-name", "n1"),
                    *("--kubeconfig", str(directory / "kubeconfig"), "--metrics-port", "0"),
                    *("--key-file", str(directory / "keys")),
                    *("--control-socket", str(directory / "reflex.sock")),
                    *arguments,
                ],
                stdout=log,
                stderr=log,
            )
        instance.note_process(self.process.pid)

    def child(self, word: str) -> int | None:
        """Find a child by its word on the command line."""
        pid = self.process.pid
        with contextlib.suppress(OSError):
            for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if word.encode() in Path(f"/proc/{item}/cmdline").read_bytes().split(b"\0"):
                    return int(item)
        return None

    def both(self) -> tuple[int, int]:
        """Wait for both children to be at work; gives their pids."""
        wait_until(lambda: "reflex is there" in self.log.read_text(), self.log.read_text)
        reflex, policy = self.child("reflex"), self.child("policy")
        assert reflex is not None
        assert policy is not None
        return reflex, policy


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    with Instance() as instance:
        made = Speaker(instance)
        yield made
        made.process.kill()
        made.process.wait()


@pytest.mark.netns
class TestProcesses:
    @pytest.mark.parametrize("word", ["reflex", "policy"])
    def test_one_that_is_killed_is_started_again_and_the_other_stays(
        self, speaker: Speaker, word: str
    ) -> None:
        reflex, policy = speaker.both()
        dying, other = (reflex, "policy") if word == "reflex" else (policy, "reflex")
        staying = speaker.child(other)
        os.kill(dying, signal.SIGKILL)
        wait_until(lambda: speaker.child(word) not in (None, dying), speaker.log.read_text)
        assert speaker.child(other) == staying
        wait_until(
            lambda: speaker.log.read_text().count("reflex is there") == 2, speaker.log.read_text
        )

    def test_all_end_with_sigterm(self, speaker: Speaker) -> None:
        pids = speaker.both()
        speaker.process.terminate()
        assert speaker.process.wait(DEADLINE_SECONDS) == 0
        assert [began_at(pid) for pid in pids] == [None, None]

    def test_children_do_not_outlive_their_supervisor(self, speaker: Speaker) -> None:
        pids = speaker.both()
        speaker.process.kill()
        speaker.process.wait()
        wait_until(lambda: [began_at(pid) for pid in pids] == [None, None], speaker.log.read_text)

    def test_sighup_is_for_reflex(self, speaker: Speaker) -> None:
        pids = speaker.both()
        speaker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "keys are read again" in speaker.log.read_text(), speaker.log.read_text)
        assert (speaker.child("reflex"), speaker.child("policy")) == pids

    def test_what_cannot_work_is_not_tried_again(self) -> None:
        with Instance() as instance:
            made = Speaker(instance, "--key-file", "/nowhere")
            assert made.process.wait(DEADLINE_SECONDS) == CONFIGURATION_EXIT
            assert made.log.read_text().count("No such file or directory: '/nowhere'") == 1


class TestChild:
    @pytest.fixture(autouse=True)
    def _short_lived(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[list[str]] = []
        usual = subprocess.Popen

        def start(command: list[str], **rest: object) -> subprocess.Popen[bytes]:
            self.started.append(command)
            return usual([sys.executable, "-c", "raise SystemExit(3)"])

        monkeypatch.setattr(subprocess, "Popen", start)

    def ended(self, child: Child, now: float) -> int:
        """Wait for the end of the process; gives its code."""
        while True:
            code = child.tend(now)
            if code is not None:
                return code

    def test_the_pace_of_restarts_slows_down_and_is_bounded(self) -> None:
        child = Child("reflex", ["--node-name", "n1"])
        now, delays = 0.0, []
        for _ in range(10):
            child.tend(now)
            assert child.next_start_in(now) is None
            assert self.ended(child, now) == 3
            delay = child.next_start_in(now)
            assert delay is not None
            delays.append(delay)
            now += delay
        assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
        assert delays[-1] == supervisor.RESTART_LIMIT_SECONDS
        assert self.started[0][1:] == ["-m", "metallb_speaker", "reflex", "--node-name", "n1"]

    def test_one_that_has_run_for_long_is_started_again_at_once(self) -> None:
        child = Child("policy", [])
        child.tend(0.0)
        assert self.ended(child, supervisor.STABLE_SECONDS) == 3
        assert len(self.started) == 2
        assert child.next_start_in(supervisor.STABLE_SECONDS) is None
        child.wait_until(time.monotonic() + DEADLINE_SECONDS)

    def test_one_that_does_not_run_is_not_signalled_or_waited_for(self) -> None:
        child = Child("policy", [])
        child.signal(signal.SIGTERM)
        child.wait_until(0.0)
        child.tend(0.0)
        self.ended(child, 1.0)
        child.signal(signal.SIGTERM)
        child.wait_until(0.0)


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = subprocess.Popen
    made: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **rest: object) -> subprocess.Popen[bytes]:
        made.append(usual(["sleep", "600"]))
        return made[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    child = Child("policy", [])
    child.tend(0.0)
    child.wait_until(time.monotonic())
    assert made[0].returncode == -signal.SIGKILL
