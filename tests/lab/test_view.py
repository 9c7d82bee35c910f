"""Waiting for a condition: it comes, it does not come, or the lab itself has failed."""

from __future__ import annotations

import asyncio

import pytest

from metallb_lab.view import DeadlineError, LabError, View


class Bare(View):
    """A view without a cluster."""

    def picture(self) -> str:
        return "(no picture)"


async def test_a_condition_that_holds_is_not_waited_for() -> None:
    await Bare().until(lambda: True, 0.001)


async def test_a_condition_is_looked_at_again() -> None:
    view, holds = Bare(), asyncio.Event()
    waiting = asyncio.create_task(view.until(holds.is_set, 20))
    await asyncio.sleep(0)
    assert not waiting.done()
    holds.set()
    await waiting


async def test_what_does_not_come_is_told_with_a_picture() -> None:
    with pytest.raises(DeadlineError, match=r"not within 0.01 s: the moon\n\(no picture\)"):
        await Bare().until(lambda: False, 0.01, "the moon")


@pytest.mark.parametrize("error", [None, ValueError("broken")])
async def test_the_end_of_a_part_of_the_lab_ends_the_wait(error: Exception | None) -> None:
    view = Bare()

    async def work() -> None:
        if error is not None:
            raise error

    view.start_task("mirror of x", work())
    with pytest.raises(LabError, match="the lab's mirror of x has ended") as caught:
        await view.until(lambda: False, 20)
    assert caught.value.__cause__ is error
    await view.stop_tasks()


async def test_stopped_tasks_are_gone() -> None:
    view = Bare()
    view.start_task("forever", asyncio.Event().wait())
    await asyncio.sleep(0)
    await view.stop_tasks()
    with pytest.raises(LabError, match="forever has ended"):
        await view.until(lambda: False, 20)
