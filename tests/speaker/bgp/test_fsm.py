"""The table of RFC 4271 §8: complete, sourced, and row by row what the RFC says."""

from __future__ import annotations

import pytest

from metallb_speaker.bgp.fsm import TABLE, Action, FsmEvent, Row, State

NUMBERED = 28
"""RFC 4271 §8.1 numbers so many events."""
FROM_CONNECTION = [State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED]
ENDS = (Action.STOP_CONNECT_RETRY, Action.RELEASE, Action.DROP)


def test_every_state_decides_every_event() -> None:
    assert set(TABLE) == {(state, event) for state in State for event in FsmEvent}


def test_events_have_the_numbers_of_the_rfc() -> None:
    assert [event.value for event in FsmEvent][:NUMBERED] == list(range(1, NUMBERED + 1))
    assert FsmEvent(13) is FsmEvent.IDLE_HOLD_TIMER_EXPIRES
    assert FsmEvent(23) is FsmEvent.OPEN_COLLISION_DUMP
    assert FsmEvent(28) is FsmEvent.UPDATE_MSG_ERR


@pytest.mark.parametrize(("at", "row"), TABLE.items(), ids=lambda item: str(item)[:60])
def test_every_row_names_its_source(at: tuple[State, FsmEvent], row: Row) -> None:
    assert row.section.startswith("RFC "), at
    assert "§" in row.section, at


@pytest.mark.parametrize("state", FROM_CONNECTION)
def test_whatever_ends_a_connection_drops_it_and_releases_everything(state: State) -> None:
    for event in FsmEvent:
        row = TABLE[state, event]
        if row.next_state is State.IDLE:
            assert [action for action in row.actions if action in ENDS] == list(ENDS), event


def test_idle_is_left_by_a_start_alone() -> None:
    starts = {FsmEvent(number) for number in (1, 3, 4, 5, 6, 7)}
    left = {
        event
        for (state, event), row in TABLE.items()
        if state is State.IDLE and row.next_state is not State.IDLE
    }
    assert left == starts


def test_only_a_keepalive_in_open_confirm_establishes() -> None:
    into = {
        at
        for at, row in TABLE.items()
        if row.next_state is State.ESTABLISHED and at[0] is not State.ESTABLISHED
    }
    assert into == {(State.OPEN_CONFIRM, FsmEvent.KEEPALIVE_MSG)}


def test_every_failure_is_counted_and_damped_and_no_stop_is() -> None:
    for (state, event), row in TABLE.items():
        if row.next_state is State.IDLE and state is not State.IDLE:
            is_damped = {Action.COUNT, Action.DAMP} <= set(row.actions)
            assert is_damped == (event is not FsmEvent.MANUAL_STOP), (state, event)


def test_a_notification_is_never_answered_by_another() -> None:
    for state in State:
        for event in (FsmEvent.NOTIF_MSG, FsmEvent.NOTIF_MSG_VER_ERR):
            assert Action.SEND_NOTIFICATION not in TABLE[state, event].actions


def test_without_a_connection_no_message_is_sent() -> None:
    for state in (State.IDLE, State.CONNECT, State.ACTIVE):
        for event in FsmEvent:
            row = TABLE[state, event]
            assert Action.SEND_NOTIFICATION not in row.actions
            assert Action.SEND_KEEPALIVE not in row.actions


ROWS = {
    # RFC 4271 §8.2.2, sentence by sentence: (state, event): (next state, actions that it names)
    (State.IDLE, 1): (State.CONNECT, [Action.ZERO_COUNTER, Action.CONNECT]),
    (State.IDLE, 5): (State.ACTIVE, [Action.ZERO_COUNTER, Action.START_CONNECT_RETRY]),
    (State.IDLE, 2): (State.IDLE, []),
    (State.IDLE, 26): (State.IDLE, []),
    (State.CONNECT, 1): (State.CONNECT, []),
    (State.CONNECT, 2): (State.IDLE, [Action.DROP, Action.ZERO_COUNTER]),
    (State.CONNECT, 9): (State.CONNECT, [Action.DROP, Action.START_CONNECT_RETRY, Action.CONNECT]),
    (State.CONNECT, 16): (State.OPEN_SENT, [Action.SEND_OPEN, Action.START_LARGE_HOLD]),
    (State.CONNECT, 17): (State.OPEN_SENT, [Action.SEND_OPEN, Action.START_LARGE_HOLD]),
    (State.CONNECT, 18): (State.IDLE, [Action.STOP_CONNECT_RETRY, Action.DROP]),
    (State.CONNECT, 25): (State.IDLE, [Action.COUNT, Action.DAMP]),
    (State.ACTIVE, 9): (State.CONNECT, [Action.START_CONNECT_RETRY, Action.CONNECT]),
    (State.ACTIVE, 17): (State.OPEN_SENT, [Action.SEND_OPEN, Action.START_LARGE_HOLD]),
    (State.ACTIVE, 18): (State.IDLE, [Action.RELEASE, Action.COUNT]),
    (State.OPEN_SENT, 2): (State.IDLE, [Action.SEND_NOTIFICATION, Action.ZERO_COUNTER]),
    (State.OPEN_SENT, 8): (State.IDLE, [Action.SEND_NOTIFICATION, Action.COUNT]),
    (State.OPEN_SENT, 10): (State.IDLE, [Action.SEND_NOTIFICATION, Action.COUNT]),
    (State.OPEN_SENT, 14): (State.OPEN_SENT, []),
    (State.OPEN_SENT, 18): (State.ACTIVE, [Action.DROP, Action.START_DAMPED_CONNECT_RETRY]),
    (State.OPEN_SENT, 19): (
        State.OPEN_CONFIRM,
        [Action.SEND_KEEPALIVE, Action.START_KEEPALIVE, Action.START_HOLD],
    ),
    (State.OPEN_SENT, 23): (State.IDLE, [Action.SEND_NOTIFICATION, Action.COUNT]),
    (State.OPEN_SENT, 26): (State.IDLE, [Action.SEND_NOTIFICATION]),
    (State.OPEN_CONFIRM, 11): (
        State.OPEN_CONFIRM,
        [Action.SEND_KEEPALIVE, Action.START_KEEPALIVE],
    ),
    (State.OPEN_CONFIRM, 18): (State.IDLE, [Action.RELEASE, Action.COUNT]),
    (State.OPEN_CONFIRM, 23): (State.IDLE, [Action.SEND_NOTIFICATION, Action.COUNT]),
    (State.OPEN_CONFIRM, 26): (State.ESTABLISHED, [Action.START_HOLD, Action.ESTABLISH]),
    (State.OPEN_CONFIRM, 27): (State.IDLE, [Action.SEND_NOTIFICATION]),
    (State.ESTABLISHED, 10): (State.IDLE, [Action.SEND_NOTIFICATION, Action.RELEASE]),
    (State.ESTABLISHED, 11): (State.ESTABLISHED, [Action.SEND_KEEPALIVE, Action.START_KEEPALIVE]),
    (State.ESTABLISHED, 26): (State.ESTABLISHED, [Action.START_HOLD]),
    (State.ESTABLISHED, 27): (State.ESTABLISHED, [Action.START_HOLD]),
    (State.ESTABLISHED, 28): (State.IDLE, [Action.SEND_NOTIFICATION, Action.COUNT]),
    # RFC 9687 §3.2
    (State.ESTABLISHED, 29): (State.IDLE, [Action.DROP, Action.COUNT]),
}


@pytest.mark.parametrize("at", ROWS, ids=str)
def test_row_is_what_the_rfc_says(at: tuple[State, int]) -> None:
    state, named = ROWS[at]
    row = TABLE[at[0], FsmEvent(at[1])]
    assert row.next_state is state
    assert [action for action in row.actions if action in named] == named
    if not named:
        assert row.actions == ()
