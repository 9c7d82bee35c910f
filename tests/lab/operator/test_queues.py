from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from metallb_lab.operator.errors import HookError
from metallb_lab.operator.queues import Patience, TaskQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb_lab.operator.queues import Task

SECONDS = 5.0


class Step:
    """A task that can be looked at, held and made to fail."""

    def __init__(
        self, name: str, done: list[str], *, fails: int = 0, allows_failure: bool = False
    ) -> None:
        self.name = name
        self.done = done
        self.fails = fails
        self.allows_failure = allows_failure
        self.gate: asyncio.Event | None = None

    def merge(self, other: Task) -> bool:
        is_same = isinstance(other, Step) and other.name[0] == self.name[0]
        if is_same and isinstance(other, Step):
            self.name += other.name
        return is_same

    async def run(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            self.fails -= 1
            raise HookError(self.name)
        self.done.append(self.name)


@pytest.fixture
async def queue() -> AsyncIterator[TaskQueue]:
    made = TaskQueue("main", Patience(0.01, 0.02), lambda: None)
    yield made
    await made.stop()


async def _idle(queue: TaskQueue) -> None:
    async with asyncio.timeout(SECONDS):
        while not queue.is_idle:
            await asyncio.sleep(0.005)


async def test_tasks_run_one_after_another(queue: TaskQueue) -> None:
    done: list[str] = []
    for name in ("a", "b", "c"):
        queue.add(Step(name, done))
    await _idle(queue)
    assert done == ["a", "b", "c"]


async def test_tasks_in_a_row_are_put_together(queue: TaskQueue) -> None:
    done: list[str] = []
    for name in ("a1", "a2", "b1", "a3"):
        queue.add(Step(name, done))
    await _idle(queue)
    assert done == ["a1a2", "b1", "a3"]


async def test_a_failing_task_blocks_those_behind_it_until_it_succeeds(queue: TaskQueue) -> None:
    done: list[str] = []
    queue.add(Step("a", done, fails=3))
    queue.add(Step("b", done))
    async with asyncio.timeout(SECONDS):
        while queue.failures < 2:
            await asyncio.sleep(0)
    assert done == []
    assert isinstance(queue.last_failure, HookError)
    await _idle(queue)
    assert done == ["a", "b"]
    assert queue.failures == 0


async def test_a_task_that_may_fail_does_not_block(queue: TaskQueue) -> None:
    done: list[str] = []
    queue.add(Step("a", done, fails=1, allows_failure=True))
    queue.add(Step("b", done))
    await _idle(queue)
    assert done == ["b"]


async def test_a_task_put_first_ends_the_wait_of_a_failing_one() -> None:
    queue = TaskQueue("main", Patience(1000, 1000), lambda: None)
    done: list[str] = []
    try:
        queue.add(Step("a", done, fails=1))
        async with asyncio.timeout(SECONDS):
            while not queue.failures:
                await asyncio.sleep(0)
        queue.add(Step("b", done), first=True)
        await _idle(queue)
        assert done == ["b", "a"]
    finally:
        await queue.stop()


async def test_waiting_tasks_can_be_dropped(queue: TaskQueue) -> None:
    done: list[str] = []
    held = Step("a", done)
    held.gate = asyncio.Event()
    queue.add(held)
    await asyncio.sleep(0)
    for name in ("b", "c"):
        queue.add(Step(name, done))
    assert len(queue.waiting()) == 2
    queue.drop(lambda task: isinstance(task, Step) and task.name == "b")
    held.gate.set()
    await _idle(queue)
    assert done == ["a", "c"]


def test_waits_grow_to_their_limit() -> None:
    patience = Patience()
    assert [patience.delay(count) for count in (1, 2, 3, 4, 50)] == [5.0, 10.0, 20.0, 30.0, 30.0]
