"""Processes of a lab: logged, ended by pid, dead with the lab."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metallb_lab import instance, netns, processes
from metallb_lab.instance import Instance, began_at
from metallb_lab.processes import Process, ProcessError, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.netns

OWNER = """
import asyncio, sys
from pathlib import Path
from metallb_lab import instance
from metallb_lab.processes import Process
instance.HOME = Path(sys.argv[1])
async def main():
    with instance.Instance() as lab:
        process = Process(lab, "child", ["sleep", "600"])
        await process.start()
        print(process.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
THREADS = """
import signal, threading
def begin(word):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(word, flush=True)
signal.signal(signal.SIGUSR1, lambda *_: begin("three"))
begin("two")
while True:
    signal.pause()
"""
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setattr(instance, "HOME", tmp_path)
    with Instance() as made:
        yield made


async def until_logged(process: Process, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in process.log.read_text():
            await asyncio.sleep(0.01)


def tasks_of(pid: int) -> list[int]:
    return [int(item.name) for item in Path(f"/proc/{pid}/task").iterdir()]


async def test_all_threads_are_preferred_and_those_to_come(lab: Instance) -> None:
    process = Process(lab, "one", [sys.executable, "-c", THREADS])
    await process.start()
    await until_logged(process, "two")
    process.prefer(3)
    process.send_signal(signal.SIGUSR1)
    await until_logged(process, "three")
    tasks = tasks_of(process.pid)
    assert len(tasks) == 3
    for task in tasks:
        assert os.sched_getscheduler(task) == os.SCHED_FIFO
        assert os.sched_getparam(task).sched_priority == 3
    await process.kill()


async def test_started_logged_and_stopped(lab: Instance) -> None:
    command = ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo $WORD; while :; do sleep 0.01; done"]
    process = Process(lab, "one", command, environment={"WORD": "hello"})
    await process.start()
    await until_logged(process, "hello")
    assert process.is_running
    assert await process.stop() == 3
    assert process.log.read_text() == "hello\nbye\n"
    assert await process.wait() == 3
    assert await process.stop() == 3  # again is no matter


async def test_a_second_run_adds_to_the_log(lab: Instance) -> None:
    process = Process(lab, "again", ["echo", "word"])
    for _ in range(2):
        await process.start()
        assert await process.wait() == 0
    assert process.log.read_text() == "word\nword\n"


async def test_in_a_namespace_and_noted(lab: Instance) -> None:
    namespace = lab.namespace("x")
    netns.run("ip", "netns", "add", namespace)
    process = Process(lab, "inside", ["sleep", "600"], namespace=namespace)
    await process.start()
    async with asyncio.timeout(10):  # `ip netns exec` becomes the command
        wanted = os.stat(netns.NETNS_DIRECTORY / namespace).st_ino
        while os.stat(f"/proc/{process.pid}/ns/net").st_ino != wanted:
            await asyncio.sleep(0.01)
    assert f"{process.pid} {began_at(process.pid)}\n" in (lab.directory / "processes").read_text()
    await process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_one_that_does_not_run_has_no_pid_but_a_log(lab: Instance) -> None:
    process = Process(lab, "broken", ["sh", "-c", "echo no such thing >&2; exit 4"])
    with pytest.raises(ProcessError, match="never started"):
        await process.wait()
    await process.kill()  # nothing to do
    await process.start()
    assert await process.wait() == 4
    with pytest.raises(ProcessError, match=r"broken does not run\n--- broken.log\nno such thing"):
        process.send_signal(signal.SIGHUP)


async def test_one_that_will_not_stop_is_killed(
    lab: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    process = Process(lab, "stubborn", ["sh", "-c", STUBBORN])
    await process.start()
    await until_logged(process, "ready")
    assert await process.stop() == -signal.SIGKILL


async def test_all_die_with_their_lab(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    owner = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    assert began_at(pid) is not None
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(10):
        while began_at(pid) is not None:
            await asyncio.sleep(0.01)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    assert tail(log) == "--- some.log\n(no log)"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(log, 2) == "--- some.log\nline 98\nline 99"
