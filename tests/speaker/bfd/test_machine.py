"""The table of states, against the words of RFC 5880 §6.8.6."""

from __future__ import annotations

from itertools import product

import pytest

from metallb_speaker.bfd.iana import Diagnostic, State
from metallb_speaker.bfd.machine import REMOTE_EVENTS, TRANSITIONS, BFDEvent


def by_the_rfc(state: State, received: State) -> tuple[State, Diagnostic | None]:
    """§6.8.6, from "If bfd.SessionState is AdminDown" on, line by line; None: left as it is."""
    if state is State.ADMIN_DOWN:
        return state, None  # "Discard the packet"
    if received is State.ADMIN_DOWN:
        if state is not State.DOWN:
            # "Set bfd.LocalDiag to 3 (Neighbor signaled session down)"
            return State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
        return state, None
    if state is State.DOWN:
        if received is State.DOWN:
            return State.INIT, None
        if received is State.INIT:
            return State.UP, None
        return state, None
    if state is State.INIT:
        if received in (State.INIT, State.UP):
            return State.UP, None
        return state, None
    if received is State.DOWN:
        return State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
    return state, None


def test_every_state_and_event_has_a_row() -> None:
    assert set(TRANSITIONS) == set(product(State, BFDEvent))
    assert len(TRANSITIONS) == 32
    assert set(REMOTE_EVENTS) == set(State)


@pytest.mark.parametrize(("state", "received"), list(product(State, State)))
def test_a_received_state_does_what_the_rfc_says(state: State, received: State) -> None:
    wanted, why = by_the_rfc(state, received)
    found = TRANSITIONS[state, REMOTE_EVENTS[received]]
    if found is None:
        assert wanted is state
        return
    assert found[0] is wanted is not state
    assert found[1] is (why or Diagnostic.NO_DIAGNOSTIC)


@pytest.mark.parametrize(
    ("event", "diagnostic", "ends"),
    [
        # §6.8.4: "if bfd.SessionState is Init or Up [...] Down, bfd.LocalDiag [...] 1"
        (
            BFDEvent.DETECTION_TIME_EXPIRED,
            Diagnostic.CONTROL_DETECTION_TIME_EXPIRED,
            {State.INIT: State.DOWN, State.UP: State.DOWN},
        ),
        # §6.8.5, and §6.8.9: echoes are sent in state Up only
        (BFDEvent.ECHO_FAILED, Diagnostic.ECHO_FUNCTION_FAILED, {State.UP: State.DOWN}),
        # §6.8.16
        (
            BFDEvent.DISABLED,
            Diagnostic.ADMINISTRATIVELY_DOWN,
            {
                State.DOWN: State.ADMIN_DOWN,
                State.INIT: State.ADMIN_DOWN,
                State.UP: State.ADMIN_DOWN,
            },
        ),
        (BFDEvent.ENABLED, Diagnostic.NO_DIAGNOSTIC, {State.ADMIN_DOWN: State.DOWN}),
    ],
)
def test_other_events_do_what_the_rfc_says(
    event: BFDEvent, diagnostic: Diagnostic, ends: dict[State, State]
) -> None:
    for state in State:
        wanted = (ends[state], diagnostic) if state in ends else None
        assert TRANSITIONS[state, event] == wanted
