"""Two sessions on a fake wire in virtual time: up, down, timers, stops, and words for each end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.config import DynamicAsn
from metallb_speaker.bgp.events import Dial, Down, Drop, OpenReceived, StateChanged, Up
from metallb_speaker.bgp.fsm import FsmEvent, State
from metallb_speaker.bgp.iana import CeaseSubcode, MessageType
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    Notification,
    cease,
    encode_notification,
    encode_open,
    frame,
)
from metallb_speaker.bgp.negotiation import open_message
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.timers import STABLE_SECONDS, Timer
from support.bgp_pair import ENDS, OUR_ASN, THEIR_ASN, Pair, Side, joined, ours, session, theirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_speaker.bgp.session import Session


def downs(pair: Pair, side: str = "left") -> list[Down]:
    return [event for _, name, event in pair.history if name == side and isinstance(event, Down)]


def opened(config: Any = None) -> Session:
    """A session of ours in OpenSent."""
    made = session(config or ours())
    made.start(0.0)
    made.connection_made(ENDS, 0.0, is_dialled=True)
    made.data_to_send()
    return made


def state_of(made: Session) -> State:
    return made.state


def accepts(made: Session) -> bool:
    return made.accepts


THEIR_OPEN = encode_open(open_message(theirs(), is_restarting=False))


def established(config: Any = None) -> Session:
    made = opened(config)
    made.receive_data(THEIR_OPEN + KEEPALIVE, 0.0)
    while made.data_to_send():
        pass
    Side(made).drain()
    assert state_of(made) is State.ESTABLISHED
    return made


def last_words(made: Session) -> bytes:
    return made.data_to_send()


def test_both_come_up_and_say_how() -> None:
    pair = joined()
    assert pair.left.state is State.ESTABLISHED
    assert pair.right.state is State.ESTABLISHED
    kinds = [type(event) for event in pair.left.events if not isinstance(event, StateChanged)]
    assert kinds[:3] == [Dial, OpenReceived, Up]
    states = [event.after for event in pair.left.events if isinstance(event, StateChanged)]
    assert states == [State.CONNECT, State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED]
    assert pair.left.session.is_dialled
    assert not pair.right.session.is_dialled


def test_they_stay_up_by_keepalives_alone() -> None:
    pair = joined(ours(hold_seconds=9), theirs())
    pair.run(3600.0)
    assert pair.left.state is State.ESTABLISHED
    assert downs(pair) == []
    received = pair.right.session.counters.received[MessageType.KEEPALIVE]
    assert received == pair.left.session.counters.sent[MessageType.KEEPALIVE]
    assert received == 3600 // 3 + 1


def test_without_a_hold_time_nothing_is_sent_and_nothing_expires() -> None:
    """RFC 4271 §4.2, §4.4; RFC 9687 §3.2."""
    pair = joined(ours(hold_seconds=0), theirs())
    before = dict(pair.left.session.counters.sent)
    pair.run(36_000.0)
    assert pair.left.state is State.ESTABLISHED
    assert pair.left.session.counters.sent == before
    assert pair.left.session.get_timer() is None


def test_a_silent_peer_is_given_up_after_the_hold_time() -> None:
    made = established(ours(hold_seconds=9))
    made.handle_timer(8.9)
    assert state_of(made) is State.ESTABLISHED
    made.data_to_send()
    made.handle_timer(9.0)
    assert state_of(made) is State.IDLE
    assert last_words(made).endswith(encode_notification(Notification(4, 0)))
    assert str(made.last_down) == "NOTIFICATION sent in Established: HOLD_TIMER_EXPIRED"


@pytest.mark.parametrize(
    "message",
    [KEEPALIVE, frame(MessageType.UPDATE, bytes(4)), frame(MessageType.ROUTE_REFRESH, b"\0\1\0\1")],
)
def test_keepalive_update_and_route_refresh_hold_the_session(message: bytes) -> None:
    made = established(ours(hold_seconds=9))
    made.receive_data(message, 8.0)
    made.handle_timer(16.9)
    assert state_of(made) is State.ESTABLISHED
    made.handle_timer(17.0)
    assert state_of(made) is State.IDLE


def test_before_open_the_hold_time_is_four_minutes() -> None:
    made = opened()
    assert made.timers.ends_at(Timer.HOLD) == 240.0
    made.handle_timer(240.0)
    assert state_of(made) is State.IDLE
    assert last_words(made) == encode_notification(Notification(4, 0))


def test_a_peer_that_does_not_read_is_given_up() -> None:
    """RFC 9687: nothing leaves for eight minutes, while its KEEPALIVEs come."""
    made = established()
    for second in range(10, 480, 10):
        made.receive_data(KEEPALIVE, float(second))
        made.handle_timer(float(second))
        assert state_of(made) is State.ESTABLISHED
    made.receive_data(KEEPALIVE, 480.0)
    made.handle_timer(480.0)
    assert state_of(made) is State.IDLE
    assert made.last_down is not None
    assert made.last_down.cause is FsmEvent.SEND_HOLD_TIMER_EXPIRES
    assert last_words(made).endswith(encode_notification(Notification(8, 0)))


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [({}, 480.0), ({"hold_seconds": 300}, 480.0), ({"send_hold_seconds": 60.0}, 60.0)],
)
def test_send_hold_time_is_eight_minutes_or_twice_the_hold_time(
    changes: dict[str, Any], seconds: float
) -> None:
    """The peer's hold time is 90 seconds."""
    assert established(ours(**changes)).timers.ends_at(Timer.SEND_HOLD) == seconds


def test_a_long_hold_time_makes_the_send_hold_time_longer() -> None:
    pair = joined(ours(hold_seconds=600), theirs(hold_seconds=600))
    assert pair.left.session.timers.ends_at(Timer.SEND_HOLD) == 1200.0


def confirmed() -> Session:
    made = opened()
    made.receive_data(THEIR_OPEN, 0.0)
    made.data_to_send()
    assert state_of(made) is State.OPEN_CONFIRM
    return made


UNEXPECTED: dict[str, tuple[Callable[[], Session], bytes, int]] = {
    # RFC 6608 §4; RFC 4271 §6.6
    "KEEPALIVE in OpenSent": (opened, KEEPALIVE, 1),
    "UPDATE in OpenSent": (opened, frame(MessageType.UPDATE, bytes(4)), 1),
    "ROUTE-REFRESH in OpenSent": (opened, frame(MessageType.ROUTE_REFRESH, b"\0\1\0\1"), 1),
    "UPDATE in OpenConfirm": (
        confirmed,
        frame(MessageType.UPDATE, bytes(4)),
        2,
    ),
    "OPEN in OpenConfirm": (confirmed, THEIR_OPEN, 2),
    "OPEN in Established": (established, THEIR_OPEN, 3),
    "a bad OPEN in Established": (established, frame(MessageType.OPEN, bytes(10)), 3),
}


@pytest.mark.parametrize("case", UNEXPECTED)
def test_an_unexpected_message_ends_the_session(case: str) -> None:
    make, message, subcode = UNEXPECTED[case]
    made = make()
    made.receive_data(message, 0.0)
    assert state_of(made) is State.IDLE
    assert last_words(made).endswith(encode_notification(Notification(5, subcode)))


ERRORS: dict[str, tuple[Callable[[], Session], bytes, int, int]] = {
    "no marker": (established, bytes(19), 1, 1),
    "no marker in OpenSent": (opened, bytes(19), 1, 1),
    "a bad length": (established, b"\xff" * 16 + b"\0\x12\4", 1, 2),
    "a bad type": (established, frame(MessageType.OPEN, b"")[:18] + b"\x09", 1, 3),
    "a bad OPEN": (opened, frame(MessageType.OPEN, bytes(10)), 2, 1),
    "an OPEN of another AS": (
        opened,
        encode_open(open_message(theirs(my_asn=64999), is_restarting=False)),
        2,
        2,
    ),
    "an UPDATE with lengths that cannot be": (
        established,
        frame(MessageType.UPDATE, b"\xff\xff\0\0"),
        3,
        1,
    ),
    "a BoRR of a bad length": (
        established,
        frame(MessageType.ROUTE_REFRESH, b"\0\1\1\1\0"),
        7,
        1,
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_told_by_its_code(case: str) -> None:
    make, message, code, subcode = ERRORS[case]
    made = make()
    made.receive_data(message, 0.0)
    assert state_of(made) is State.IDLE
    told = made.last_down
    assert told is not None
    assert told.sent is not None
    assert (told.sent.code, told.sent.subcode) == (code, subcode)
    assert encode_notification(told.sent) in last_words(made)


def test_after_an_error_nothing_more_is_heard() -> None:
    made = established()
    made.receive_data(bytes(19) + KEEPALIVE, 0.0)
    made.receive_data(KEEPALIVE, 0.0)
    assert made.counters.received[MessageType.KEEPALIVE] == 1


def test_a_malformed_attribute_does_not_end_the_session() -> None:
    """RFC 7606 §7.1: a bad ORIGIN is treated as a withdrawal."""
    attributes = bytes.fromhex("40010109 40020602010000fc00 400304c0000202")
    body = b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + b"\x20\xc0\0\2\7"
    made = established()
    made.receive_data(frame(MessageType.UPDATE, body), 1.0)
    assert state_of(made) is State.ESTABLISHED
    (event,) = Side(made).drain()
    assert str(event).startswith("UPDATE with a fault in ORIGIN: ")
    assert str(event).endswith(" (treat-as-withdraw)")
    assert made.counters.malformed == 1


def test_a_notification_is_not_answered_and_its_words_are_kept() -> None:
    made = established()
    said = cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "back at noon")
    made.receive_data(encode_notification(said), 0.0)
    assert state_of(made) is State.IDLE
    assert last_words(made) == b""
    assert str(made.last_down) == (
        "NOTIFICATION received in Established: CEASE/ADMINISTRATIVE_SHUTDOWN 'back at noon'"
    )


def test_a_version_error_has_its_own_event() -> None:
    made = opened()
    made.receive_data(encode_notification(Notification(2, 1, b"\0\3")), 0.0)
    assert made.last_down is not None
    assert made.last_down.cause is FsmEvent.NOTIF_MSG_VER_ERR


STOPS = [
    (CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, True),
    (CeaseSubcode.PEER_DE_CONFIGURED, True),
    (CeaseSubcode.BFD_DOWN, True),
    (CeaseSubcode.ADMINISTRATIVE_RESET, False),
    (CeaseSubcode.OTHER_CONFIGURATION_CHANGE, False),
]


@pytest.mark.parametrize(("subcode", "is_hard"), STOPS)
def test_a_stop_says_why_and_is_hard_where_routes_are_not_to_stay(
    subcode: CeaseSubcode, is_hard: bool
) -> None:
    """RFC 4486, RFC 8538 §4, RFC 9384 §3: the peer has the N bit."""
    made = established()
    made.shutdown(subcode, "", 5.0)
    assert state_of(made) is State.IDLE
    data = bytes((6, 9, 6, subcode)) if is_hard else bytes((6, subcode))
    assert last_words(made).endswith(data)


def test_to_a_peer_without_the_n_bit_no_stop_is_hard() -> None:
    made = established(ours(graceful_restart_seconds=None))
    made.shutdown(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "bye", 5.0)
    assert last_words(made).endswith(b"\6\2\3bye")


@pytest.mark.parametrize("subcode", [2, 3])
def test_after_a_stop_for_good_nothing_is_tried(subcode: int) -> None:
    made = established()
    made.shutdown(CeaseSubcode(subcode), "", 5.0)
    assert made.get_timer() is None
    assert made.backoff.counter == 0
    made.start(6.0)
    assert state_of(made) is State.CONNECT


def test_a_stop_while_waiting_ends_the_wait() -> None:
    made = session(ours())
    made.start(0.0)
    made.connection_lost("Connection refused", 0.0)
    assert made.get_timer() == 1.0
    made.shutdown(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "", 0.5)
    assert made.get_timer() is None


def test_a_refused_connection_is_tried_again_ever_more_slowly() -> None:
    made, waits, now = session(ours(connect_seconds=10.0)), [], 0.0
    made.start(now)
    for _ in range(6):
        made.connection_lost("Connection refused", now)
        due_at = made.get_timer()
        assert due_at is not None
        waits.append(due_at - now)
        now = due_at
        made.handle_timer(now)
        assert state_of(made) is State.CONNECT
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert str(made.last_down) == "TCP connection failed in Connect: Connection refused"


def test_a_peer_that_rejects_after_open_cannot_hasten_us() -> None:
    """MetalLB's native mode redials such a peer in a tight loop."""
    pair = Pair(session(ours()), session(theirs(peer_asn=64999), is_passive=True))
    pair.start()
    pair.run(600.0)
    tries = [at for at, name, event in pair.history if name == "left" and isinstance(event, Dial)]
    gaps = [after - before for before, after in pairwise(tries)]
    assert 8 <= len(tries) <= 14
    assert all(after >= before for before, after in pairwise(gaps))


def test_a_peer_that_closes_after_our_open_cannot_either() -> None:
    made, now, waits = session(ours()), 0.0, []
    made.start(now)
    for _ in range(4):
        made.connection_made(ENDS, now, is_dialled=True)
        made.connection_lost("closed", now)
        assert state_of(made) is State.ACTIVE
        due_at = made.get_timer()
        assert due_at is not None
        waits.append(due_at - now)
        now = due_at
        made.handle_timer(now)
        assert state_of(made) is State.CONNECT
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_a_session_that_was_stable_is_tried_again_soon() -> None:
    pair = joined()
    pair.left.session.backoff.counter = 9
    pair.run(STABLE_SECONDS - 1)
    assert pair.left.session.backoff.counter == 9
    pair.run(STABLE_SECONDS + 1)
    assert pair.left.session.backoff.counter == 0
    pair.cut()
    due_at = pair.left.session.get_timer()
    assert due_at is not None
    assert due_at - pair.now == 1.0
    pair.run(pair.now + 2)
    assert pair.left.state is State.ESTABLISHED


def test_a_connection_that_never_answers_is_given_up_and_dialled_again() -> None:
    made = session(ours(connect_seconds=10.0))
    made.start(0.0)
    made.handle_timer(10.0)
    assert [type(event) for event in Side(made).drain()] == [Dial, StateChanged, Drop, Dial, Down]
    assert state_of(made) is State.CONNECT
    assert str(made.last_down) == "ConnectRetryTimer expired in Connect"


def test_a_passive_session_never_dials() -> None:
    made = session(ours(), is_passive=True)
    made.start(0.0)
    assert state_of(made) is State.ACTIVE
    assert made.get_timer() is None
    made.connection_made(ENDS, 1.0, is_dialled=False)
    made.connection_lost("closed", 1.0)
    assert state_of(made) is State.ACTIVE
    assert made.get_timer() is None
    assert not any(isinstance(event, Dial) for event in Side(made).drain())


def test_a_passive_session_waits_again_after_an_error() -> None:
    made = session(ours(), is_passive=True)
    made.start(0.0)
    made.connection_made(ENDS, 0.0, is_dialled=False)
    made.receive_data(KEEPALIVE, 0.0)
    assert state_of(made) is State.IDLE
    assert not accepts(made)
    made.handle_timer(1.0)
    assert state_of(made) is State.ACTIVE
    assert accepts(made)


def test_one_that_could_not_reach_the_peer_takes_its_connection() -> None:
    made = session(ours())
    assert not accepts(made)
    made.start(0.0)
    assert not accepts(made)  # it dials: another session has to take it
    made.connection_lost("Connection refused", 0.0)
    assert accepts(made)
    made.connection_made(ENDS, 0.5, is_dialled=False)
    assert state_of(made) is State.OPEN_SENT
    assert not accepts(made)


def test_one_that_gives_way_says_so() -> None:
    """RFC 4271 §6.8, RFC 4486: Cease/Connection Collision Resolution."""
    made = confirmed()
    made.collided(0.0)
    assert state_of(made) is State.IDLE
    assert last_words(made) == encode_notification(Notification(6, 7))


def test_starting_one_that_runs_changes_nothing() -> None:
    made = established()
    made.start(1.0)
    assert state_of(made) is State.ESTABLISHED


def test_octets_without_a_connection_are_nothing() -> None:
    made = session(ours())
    made.receive_data(KEEPALIVE, 0.0)
    assert state_of(made) is State.IDLE


def test_an_internal_session_comes_up_by_dynamic_asn() -> None:
    pair = joined(
        ours(peer_asn=DynamicAsn.INTERNAL), theirs(my_asn=OUR_ASN, peer_asn=DynamicAsn.INTERNAL)
    )
    assert pair.left.state is State.ESTABLISHED
    assert pair.left.session.negotiated is not None
    assert pair.left.session.negotiated.is_internal
    wrong = joined(ours(peer_asn=DynamicAsn.INTERNAL))
    wrong.run(60.0)
    assert wrong.left.state is not State.ESTABLISHED
    assert THEIR_ASN != OUR_ASN
    assert "BAD_PEER_AS" in str(downs(wrong)[0])


def test_what_was_said_can_be_said_to_somebody_else() -> None:
    made = established()
    route = Prefix.of("192.0.2.1/32")
    assert made.sent_open == encode_open(open_message(ours(), is_restarting=False))
    assert made.received_open == open_message(theirs(), is_restarting=False)
    assert made.outbound.said() == b""
    made.change_routes({route: RouteAttributes()})
    assert made.outbound.said() == b"", "it was not said yet"
    said = made.data_to_send()
    assert route.nlri in said
    assert made.outbound.said() == said
    made.connection_lost("cut", 1.0)
    assert made.outbound.said() == b""


def test_it_can_be_asked_for_a_sign_of_life() -> None:
    made = established()
    made.say_alive()
    assert made.data_to_send() == KEEPALIVE
    waiting = opened()
    waiting.say_alive()
    assert waiting.data_to_send() == b"", "nobody is told before OPEN is answered"
