"""Supervised tasks: the end of one ends the program, with a reason."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from metallb.runtime.tasks import Supervisor, TaskEndedError


async def _forever() -> None:
    await asyncio.Event().wait()


async def _end() -> None:
    await asyncio.sleep(0)


async def _fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("a bug")


async def test_a_task_that_ends_is_named() -> None:
    supervisor = Supervisor()
    supervisor.start("good", _forever())
    supervisor.start("short", _end())
    with pytest.raises(TaskEndedError, match="task short has ended") as caught:
        await supervisor.wait()
    assert caught.value.__cause__ is None
    await supervisor.cancel()


async def test_a_task_that_fails_is_the_cause() -> None:
    supervisor = Supervisor()
    supervisor.start("bad", _fail())
    with pytest.raises(TaskEndedError) as caught:
        await supervisor.wait()
    assert isinstance(caught.value.__cause__, ValueError)
    await supervisor.cancel()


async def test_a_task_that_is_cancelled_from_outside_has_ended_too() -> None:
    supervisor = Supervisor()
    supervisor.start("taken", _forever()).cancel()
    with pytest.raises(TaskEndedError, match="taken") as caught:
        await supervisor.wait()
    assert caught.value.__cause__ is None
    await supervisor.cancel()


async def test_stop_ends_the_wait_without_a_complaint() -> None:
    supervisor = Supervisor()
    task = supervisor.start("good", _forever())
    supervisor.stop.set()
    await supervisor.wait()
    assert not task.done()
    await supervisor.cancel()
    assert task.cancelled()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_stop(number: signal.Signals) -> None:
    supervisor = Supervisor()
    supervisor.start("good", _forever())
    supervisor.stop_on_signals()
    loop = asyncio.get_running_loop()
    try:
        loop.call_soon(os.kill, os.getpid(), number)
        async with asyncio.timeout(20):
            await supervisor.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        await supervisor.cancel()


async def test_tasks_are_cancelled_last_started_first_each_to_its_end() -> None:
    order: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            order.append(name)

    supervisor = Supervisor()
    for name in ("first", "second", "third"):
        supervisor.start(name, work(name))
    await asyncio.sleep(0)
    await supervisor.cancel()
    assert order == ["third", "second", "first"]


async def test_a_task_that_fails_as_it_is_stopped_is_told_and_the_others_are_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("at the end")

    supervisor = Supervisor()
    other = supervisor.start("other", _forever())
    supervisor.start("bad", work())
    await asyncio.sleep(0)
    await supervisor.cancel()
    assert other.cancelled()
    assert "task bad failed as it was stopped" in caplog.text
