"""Every mutant of every message, said to a fresh session in every phase.

Whatever comes, the session goes on or says one NOTIFICATION, the last thing that it says; a good
KEEPALIVE afterwards is taken when it goes on.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.messages import KEEPALIVE, MessageReader, Notification
from support.bgp_mutants import GOOD, mutants
from support.bgp_pair import ENDS, session
from vectors.bgp.catalogue import opened

if TYPE_CHECKING:
    from metallb_speaker.bgp.messages import Message
    from metallb_speaker.bgp.session import Session

CONFIG = SessionConfig("peer", 65001, 65010, 0xC0000201)
BEFORE = {
    State.OPEN_SENT: b"",
    State.OPEN_CONFIRM: opened(),
    State.ESTABLISHED: opened() + KEEPALIVE,
}
EXPECTED = {
    "OPEN": State.OPEN_SENT,
    "UPDATE": State.ESTABLISHED,
    "NOTIFICATION": State.ESTABLISHED,
    "KEEPALIVE": State.OPEN_CONFIRM,
    "ROUTE-REFRESH": State.ESTABLISHED,
}
"""Where a message is looked into; elsewhere some mutants will do."""


def said_by(one: Session) -> list[Message]:
    reader, said = MessageReader(), []
    while data := one.data_to_send():
        reader.feed(data)
    while (message := reader.next_message()) is not None:
        said.append(message)
    return said


def in_state(state: State) -> Session:
    one = session(CONFIG)
    one.start(0.0)
    one.connection_made(ENDS, 0.0, is_dialled=True)
    one.receive_data(BEFORE[state], 0.0)
    assert one.state is state
    said_by(one)
    return one


@pytest.mark.parametrize("state", BEFORE, ids=lambda state: state.value)
@pytest.mark.parametrize("kind", GOOD)
def test_a_session_outlives_it_or_says_why_not(kind: str, state: State) -> None:
    ends = 0
    step = 1 if state is EXPECTED[kind.split(",")[0]] else 16
    for mutant in islice(mutants(kind), 0, None, step):
        one = in_state(state)
        one.receive_data(mutant.octets, 1.0)
        said = said_by(one)
        notifications = [message for message in said if isinstance(message, Notification)]
        if one.is_connected:
            assert notifications == [], mutant.name
            continue
        ends += 1
        assert said[len(said) - len(notifications) :] == notifications, mutant.name
        assert len(notifications) <= 1, mutant.name
        assert notifications or "NOTIFICATION received" in str(one.last_down), mutant.name
    assert ends > 0


def test_routes_of_ours_survive_a_peer_whose_updates_are_malformed() -> None:
    """RFC 7606 is about this: the session is not what an attribute may cost."""
    outlived = 0
    for mutant in islice(mutants("UPDATE, IPv4"), 0, None, 4):
        one = in_state(State.ESTABLISHED)
        one.receive_data(mutant.octets, 1.0)
        if one.is_connected and one.counters.malformed:
            outlived += 1
    assert outlived > 150
