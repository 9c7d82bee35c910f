"""The task of a peer: what is put in is done, in order, whatever it brings about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metallb_speaker.bgp.session import Session
from metallb_speaker.peering.session_task import SessionTask
from support.bgp_nodes import both_up, join
from support.waiting import until

if TYPE_CHECKING:
    import pytest

    from support.bgp_nodes import Node


def tasks() -> list[str]:
    return sorted(
        task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bgp ")
    )


async def test_steps_are_done_in_the_order_in_which_they_came() -> None:
    task, done = SessionTask("x"), list[int]()
    task.put(lambda: done.append(1))
    task.start()

    def second() -> None:
        done.append(2)
        task.put(lambda: done.append(3))

    task.put(second)
    assert done == []
    await until(lambda: done == [1, 2, 3])
    task.end()


async def test_a_fault_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    task, done = SessionTask("x"), list[int]()
    task.start()
    task.put(lambda: [][1])
    task.put(lambda: done.append(2))
    await until(lambda: done == [2])
    assert "peer x: fault in its task" in caplog.text
    assert "IndexError" in caplog.text
    task.end()


async def test_what_waits_at_the_end_is_forgotten() -> None:
    task, done = SessionTask("x"), list[int]()
    task.start()
    task.put(lambda: done.append(1))
    task.end()
    task.put(lambda: done.append(2))
    await until(lambda: not tasks())
    assert done == []


async def test_each_peer_has_one_task_as_long_as_it_is_there(
    three: tuple[Node, Node, Node],
) -> None:
    one, *others = three
    names = sorted(f"bgp {node.address}" for node in others)
    for other in others:
        one.peers_with(other)
    assert tasks() == names
    for other in others:
        join(one, other)
        await both_up(one, other)
    assert [name for name in tasks() if name in names] == names
    for node in three:
        await node.peering.close()
    await until(lambda: not tasks())


async def test_a_fault_in_taking_octets_ends_one_session_and_no_other(
    three: tuple[Node, Node, Node],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, ill, well = three
    join(one, well)
    await both_up(one, well)
    take = Session.receive_data

    def receive_data(session: Session, data: bytes, now: float) -> None:
        assert session.config.name != str(ill.address), "ill"
        take(session, data, now)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "receive_data", receive_data)
        join(one, ill)
        await one.ended(ill, "fault in our session")
    assert "AssertionError: ill" in caplog.text
    await both_up(one, ill)
    assert one.status(well).established_count == 1
