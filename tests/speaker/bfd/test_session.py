"""One session, fed by hand: RFC 5880 §6.8, variable by variable."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.events import StateChanged
from metallb_speaker.bfd.iana import AuthenticationType, Diagnostic, State
from metallb_speaker.bfd.packet import DEMAND, FINAL, POLL, ControlPacket, decode
from metallb_speaker.bfd.session import Session

PEER = Endpoint(ip_address("10.9.0.1"))
MINE, ITS = 0x11111111, 0x22222222
KEYED = Authentication(AuthenticationType.KEYED_SHA1, (AuthenticationKey(1, b"key"),))


class Bench:
    """A session, and a peer that is this test."""

    def __init__(self, *, chance: float = 0.0, endpoint: Endpoint = PEER, **given: Any) -> None:
        values = {"receive_us": 60_000, "transmit_us": 50_000, **given}
        self.config = BFDConfig(endpoint, **values)
        self.chance = chance
        self.now = 100.0
        self.session = Session(self.config, MINE, jitter=lambda: self.chance, now=self.now)
        self.session.handle_timer(self.now)

    def sent(self) -> list[ControlPacket]:
        found = []
        for datagram in self.session.outbox.datagrams:
            packet = decode(datagram.data)
            assert isinstance(packet, ControlPacket)
            assert not datagram.is_echo
            found.append(packet)
        self.session.outbox.datagrams.clear()
        return found

    def echoes(self) -> list[bytes]:
        found = [item.data for item in self.session.outbox.datagrams if item.is_echo]
        self.session.outbox.datagrams.clear()
        return found

    def events(self) -> list[StateChanged]:
        found = [item for item in self.session.outbox.events if isinstance(item, StateChanged)]
        self.session.outbox.events.clear()
        return found

    def feed(self, state: State, flags: int = 0, **given: Any) -> DropReason | None:
        values = {
            "diagnostic": 0,
            "detect_multiplier": 3,
            "length": 24,
            "my_discriminator": ITS,
            "your_discriminator": MINE,
            "desired_min_tx_us": 40_000,
            "required_min_rx_us": 10_000,
            "required_min_echo_rx_us": 0,
            **given,
        }
        packet = ControlPacket(state=state, flags=flags, **values)
        data = packet.encode()
        if self.session.is_repetition(data, 255, self.now):
            return None
        return self.session.receive_packet(packet, data, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.session.handle_timer(self.now)

    def due_in(self) -> float:
        return self.session.get_timer() - self.now

    def up(self, **given: Any) -> Bench:
        """Come up, and end the poll that comes with it."""
        self.feed(State.DOWN, **given)
        self.feed(State.INIT, **given)
        self.feed(State.UP, FINAL, **given)
        self.sent()
        self.events()
        assert self.session.state is State.UP
        assert not self.session.timing.is_polling
        return self


# -- the variables of §6.8.1 -----------------------------------------------------------------------


def test_it_begins_down_and_slow_and_says_so_at_once() -> None:
    [packet] = Bench().sent()
    assert packet == ControlPacket(
        diagnostic=0,
        state=State.DOWN,
        flags=0,
        detect_multiplier=3,
        length=24,
        my_discriminator=MINE,
        your_discriminator=0,
        desired_min_tx_us=1_000_000,
        required_min_rx_us=60_000,
        required_min_echo_rx_us=0,
    )


def test_a_slower_interval_than_the_slow_one_stays() -> None:
    [packet] = Bench(transmit_us=3_000_000).sent()
    assert packet.desired_min_tx_us == 3_000_000


def test_what_the_peer_says_is_kept() -> None:
    bench = Bench()
    bench.feed(State.DOWN, DEMAND, required_min_echo_rx_us=7)
    session = bench.session
    assert (session.remote_discriminator, session.remote_state) == (ITS, State.DOWN)
    assert (session.is_remote_demand, session.remote_min_echo_rx_us) == (True, 7)
    assert session.detection_seconds == pytest.approx(0.18)


def test_it_comes_up_in_three_steps_each_said_at_once() -> None:
    bench = Bench()
    bench.sent()
    bench.feed(State.DOWN)
    [packet] = bench.sent()
    assert (packet.state, packet.your_discriminator) == (State.INIT, ITS)
    bench.feed(State.INIT)
    [packet] = bench.sent()
    assert (packet.state, packet.desired_min_tx_us, packet.is_poll) == (State.UP, 50_000, True)
    bench.feed(State.UP)
    assert bench.sent() == []
    assert [event.state for event in bench.events()] == [State.INIT, State.UP]


def test_a_peer_that_says_down_takes_it_down() -> None:
    bench = Bench().up()
    bench.feed(State.DOWN)
    [event] = bench.events()
    assert event == StateChanged(
        PEER, State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN, State.DOWN
    )
    [packet] = bench.sent()
    assert (packet.state, packet.diagnostic) == (State.DOWN, 3)
    assert packet.desired_min_tx_us == 1_000_000
    bench.feed(State.DOWN)  # the very same packet again: now it begins anew
    assert bench.session.state is State.INIT


def test_the_event_tells_that_a_peer_was_shut_down() -> None:
    bench = Bench().up()
    bench.feed(State.ADMIN_DOWN)
    [event] = bench.events()
    assert (event.state, event.remote_state) == (State.DOWN, State.ADMIN_DOWN)


def test_a_peer_that_was_started_anew_is_known_by_its_new_discriminator() -> None:
    bench = Bench().up()
    bench.feed(State.UP, my_discriminator=5)
    [packet] = bench.sent()
    assert packet.your_discriminator == 5


# -- detection, §6.8.4 -----------------------------------------------------------------------------


def test_silence_for_the_detection_time_is_down() -> None:
    bench = Bench().up()
    bench.wait(0.179)
    assert bench.events() == []
    bench.sent()
    bench.wait(0.0011)
    [event] = bench.events()
    assert (event.state, event.diagnostic) == (
        State.DOWN,
        Diagnostic.CONTROL_DETECTION_TIME_EXPIRED,
    )
    [packet] = bench.sent()
    assert (packet.state, packet.diagnostic, packet.your_discriminator) == (State.DOWN, 1, 0)
    assert not packet.is_poll
    assert bench.session.detection_seconds == 0


def test_each_packet_puts_the_end_off_also_one_that_says_the_same() -> None:
    bench = Bench().up()
    for _ in range(20):
        assert bench.feed(State.UP) is None
        bench.wait(0.17)
    assert bench.session.state is State.UP


def test_a_packet_with_a_lower_ttl_is_no_repetition() -> None:
    bench = Bench().up()
    bench.feed(State.UP)
    packet = ControlPacket(0, State.UP, 0, 3, 24, ITS, MINE, 40_000, 10_000, 0).encode()
    assert bench.session.is_repetition(packet, 255, bench.now)
    assert not bench.session.is_repetition(packet, 254, bench.now)


def test_a_peer_that_says_the_same_after_silence_is_learnt_anew() -> None:
    bench = Bench().up()
    bench.feed(State.UP)
    bench.wait(0.2)
    bench.sent()
    assert bench.session.remote_discriminator == 0
    bench.feed(State.UP)  # the very same packet as before
    assert bench.session.remote_discriminator == ITS
    assert [packet.your_discriminator for packet in bench.sent()] == [ITS]


def test_a_silent_peer_that_was_down_is_forgotten() -> None:
    bench = Bench(is_passive=True)
    bench.feed(State.ADMIN_DOWN)
    assert bench.session.remote_discriminator == ITS
    bench.wait(1.0)
    assert bench.session.remote_discriminator == 0
    assert bench.events() == []


# -- transmission, §6.8.7 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("multiplier", "chance", "share"),
    [(3, 0.0, 0.75), (3, 1.0, 1.0), (1, 0.0, 0.75), (1, 1.0, 0.9), (255, 0.5, 0.875)],
)
def test_intervals_are_shortened_by_chance(multiplier: int, chance: float, share: float) -> None:
    bench = Bench(multiplier=multiplier, chance=chance).up(desired_min_tx_us=10_000_000)
    bench.wait(bench.due_in())
    assert len(bench.sent()) == 1
    assert bench.due_in() == pytest.approx(share * 0.05)


def test_the_peer_is_not_sent_more_than_it_takes() -> None:
    bench = Bench(chance=1.0).up(required_min_rx_us=80_000)
    bench.wait(bench.due_in())
    assert bench.due_in() == pytest.approx(0.08)


def test_a_peer_that_takes_more_is_sent_more_at_once() -> None:
    bench = Bench(chance=1.0).up(required_min_rx_us=800_000, desired_min_tx_us=10_000_000)
    bench.wait(bench.due_in())
    bench.sent()
    bench.wait(0.03)
    bench.feed(State.UP, required_min_rx_us=10_000, desired_min_tx_us=10_000_000)
    assert bench.due_in() == pytest.approx(0.02)  # counted from the last packet


def test_a_peer_that_takes_none_is_sent_only_news() -> None:
    bench = Bench().up(required_min_rx_us=0, desired_min_tx_us=10_000_000)
    bench.wait(5.0)
    assert bench.sent() == []
    bench.session.disable(bench.now)
    assert [packet.state for packet in bench.sent()] == [State.ADMIN_DOWN]


def test_a_peer_in_demand_mode_is_polled_and_else_left_alone() -> None:
    bench = Bench().up(desired_min_tx_us=10_000_000)
    bench.feed(State.UP, DEMAND, desired_min_tx_us=10_000_000)
    bench.wait(5.0)
    assert bench.sent() == []
    bench.session.change(BFDConfig(PEER, 60_000, 90_000), bench.now)
    for _ in range(3):
        [packet] = bench.sent()
        assert packet.is_poll
        bench.wait(bench.due_in())
    bench.feed(State.UP, DEMAND | FINAL, desired_min_tx_us=10_000_000)
    bench.sent()
    bench.wait(5.0)
    assert bench.sent() == []


def test_a_passive_one_says_nothing_before_the_peer_does() -> None:
    bench = Bench(is_passive=True)
    assert bench.session.get_timer() == float("inf")
    bench.wait(10.0)
    assert bench.sent() == []
    bench.feed(State.DOWN, your_discriminator=0)
    [packet] = bench.sent()
    assert (packet.state, packet.your_discriminator) == (State.INIT, ITS)


# -- polls, §6.5, §6.8.3 ---------------------------------------------------------------------------


def test_a_poll_is_answered_at_once_and_changes_no_schedule() -> None:
    bench = Bench().up(desired_min_tx_us=10_000_000)
    due_in = bench.due_in()
    bench.feed(State.UP, POLL, desired_min_tx_us=10_000_000)
    [packet] = bench.sent()
    assert (packet.is_final, packet.is_poll) == (True, False)
    assert bench.due_in() == due_in


def test_a_poll_is_answered_while_one_of_ours_is_out() -> None:
    bench = Bench()
    bench.feed(State.DOWN)
    bench.sent()
    bench.feed(State.INIT, POLL)
    [packet] = bench.sent()  # the answer tells the news; P waits for the next one
    assert (packet.state, packet.is_final, packet.is_poll) == (State.UP, True, False)
    bench.wait(bench.due_in())
    assert [(item.is_final, item.is_poll) for item in bench.sent()] == [(False, True)]


def test_changed_timers_are_polled_on_the_live_session() -> None:
    bench = Bench(chance=1.0).up(desired_min_tx_us=10_000)
    bench.session.change(BFDConfig(PEER, 20_000, 200_000, multiplier=5), bench.now)
    [packet] = bench.sent()
    assert (packet.desired_min_tx_us, packet.required_min_rx_us) == (200_000, 20_000)
    assert (packet.detect_multiplier, packet.is_poll) == (5, True)
    assert bench.session.timing.transmit_us == 50_000
    assert bench.session.detection_seconds == pytest.approx(0.18)
    bench.feed(State.UP, FINAL, desired_min_tx_us=10_000)
    assert bench.session.timing.transmit_us == 200_000
    assert bench.session.detection_seconds == pytest.approx(0.06)
    assert bench.events() == []
    bench.feed(State.UP, desired_min_tx_us=10_000)
    bench.wait(0.05)
    assert bench.sent() == []  # the end of a poll is no news


# -- AdminDown, §6.8.16 ----------------------------------------------------------------------------


def test_what_is_shut_down_says_so_and_keeps_its_variables_only() -> None:
    bench = Bench().up()
    bench.session.disable(bench.now)
    [packet] = bench.sent()
    assert (packet.state, packet.diagnostic, packet.your_discriminator) == (
        State.ADMIN_DOWN,
        7,
        ITS,
    )
    assert bench.feed(State.DOWN, POLL) is DropReason.ADMIN_DOWN
    assert bench.session.remote_state is State.DOWN
    assert bench.sent() == []
    bench.wait(1.0)
    assert [item.state for item in bench.sent()] == [State.ADMIN_DOWN]
    assert [event.state for event in bench.events()] == [State.ADMIN_DOWN]
    bench.session.enable(bench.now)
    assert [item.state for item in bench.sent()] == [State.DOWN]
    assert [event.state for event in bench.events()] == [State.DOWN]


# -- authentication --------------------------------------------------------------------------------


def test_authentication_must_be_on_both_sides_or_none() -> None:
    assert Bench(authentication=KEYED).feed(State.DOWN) is DropReason.AUTHENTICATION_ABSENT
    found = Bench().feed(State.DOWN, 0x04, length=26)
    assert found is DropReason.AUTHENTICATION_UNEXPECTED


@pytest.mark.parametrize("kind", AuthenticationType)
def test_two_sessions_come_up_with_authentication(kind: AuthenticationType) -> None:
    wanted = Authentication(kind, (AuthenticationKey(1, b"key"),))
    one, other = (
        Session(BFDConfig(PEER, authentication=wanted), number, jitter=lambda: 0.5, now=0.0)
        for number in (1, 2)
    )
    one.handle_timer(0.0)
    other.handle_timer(0.0)
    for _ in range(5):
        exchange(one, other)
        exchange(other, one)
    assert one.state is other.state is State.UP


def exchange(source: Session, target: Session) -> None:
    for datagram in source.outbox.datagrams:
        packet = decode(datagram.data)
        assert isinstance(packet, ControlPacket)
        assert target.receive_packet(packet, datagram.data, 0.0) is None
    source.outbox.datagrams.clear()


def test_sequence_numbers_are_forgotten_after_twice_the_detection_time() -> None:
    bench = Bench(authentication=KEYED)
    sender = Session(BFDConfig(PEER, authentication=KEYED), ITS, jitter=lambda: 0.9, now=0.0)
    sender.handle_timer(0.0)
    [datagram] = sender.outbox.datagrams
    packet = decode(datagram.data)
    assert isinstance(packet, ControlPacket)
    assert bench.session.receive_packet(packet, datagram.data, bench.now) is None
    restarted = Session(BFDConfig(PEER, authentication=KEYED), ITS, jitter=lambda: 0.1, now=0.0)
    restarted.handle_timer(0.0)
    [datagram] = restarted.outbox.datagrams
    packet = decode(datagram.data)
    assert isinstance(packet, ControlPacket)
    found = bench.session.receive_packet(packet, datagram.data, bench.now)
    assert found is DropReason.AUTHENTICATION_SEQUENCE
    bench.wait(5.9)
    found = bench.session.receive_packet(packet, datagram.data, bench.now)
    assert found is DropReason.AUTHENTICATION_SEQUENCE
    bench.wait(0.2)
    assert bench.session.receive_packet(packet, datagram.data, bench.now) is None


def test_another_key_is_used_from_the_next_packet_on() -> None:
    bench = Bench().up()
    bench.session.change(BFDConfig(PEER, 60_000, 50_000, authentication=KEYED), bench.now)
    [packet] = bench.sent()
    assert (packet.is_authenticated, packet.length) == (True, 52)
    assert bench.feed(State.UP) is DropReason.AUTHENTICATION_ABSENT


# -- echo, §6.8.5, §6.8.8, §6.8.9 ------------------------------------------------------------------


def echoing(**given: Any) -> Bench:
    bench = Bench(is_echo=True, echo_us=20_000, chance=1.0, **given)
    return bench.up(required_min_echo_rx_us=30_000, desired_min_tx_us=10_000_000)


def test_echoes_go_out_as_often_as_the_peer_takes_them() -> None:
    bench = echoing()
    bench.wait(0.0)
    assert len(bench.echoes()) == 1
    bench.wait(0.029)
    assert bench.echoes() == []
    bench.wait(0.001)
    assert len(bench.echoes()) == 1


def test_nobody_is_sent_echoes_who_takes_none() -> None:
    bench = Bench(is_echo=True).up(desired_min_tx_us=10_000_000)
    bench.wait(0.2)
    assert bench.echoes() == []
    assert not Bench(is_echo=True, endpoint=PEER._replace(is_multihop=True)).up().session.is_looping


def test_echoes_that_come_back_make_control_packets_slow() -> None:
    bench = echoing()
    bench.wait(0.0)
    [echo] = bench.echoes()
    assert bench.session.receive_echo(echo, bench.now) is None
    [packet] = bench.sent()
    assert (packet.required_min_rx_us, packet.is_poll) == (1_000_000, True)
    assert bench.session.receive_echo(echo, bench.now) is DropReason.ECHO
    assert bench.sent() == []


def test_echoes_that_come_back_no_more_take_it_down() -> None:
    bench = echoing()
    bench.wait(0.0)
    [echo] = bench.echoes()
    bench.session.receive_echo(echo, bench.now)
    for _ in range(3):
        assert bench.events() == []
        bench.wait(0.03)
    assert bench.events() == []
    bench.wait(0.03)
    [event] = bench.events()
    assert (event.state, event.diagnostic) == (State.DOWN, Diagnostic.ECHO_FUNCTION_FAILED)
    assert bench.session.receive_echo(echo, bench.now) is DropReason.ECHO


def test_a_peer_that_never_loops_any_costs_nothing() -> None:
    bench = echoing()
    for _ in range(20):
        bench.wait(0.03)
    assert bench.session.state is State.UP
    assert bench.session.timing.required_min_rx_us == 60_000


def test_a_peer_that_takes_echoes_no_more_is_watched_by_control_packets_again() -> None:
    bench = echoing()
    bench.wait(0.0)
    [echo] = bench.echoes()
    bench.session.receive_echo(echo, bench.now)
    bench.feed(State.UP, FINAL, required_min_echo_rx_us=30_000, desired_min_tx_us=10_000_000)
    bench.sent()
    bench.feed(State.UP, desired_min_tx_us=10_000_000)
    [packet] = bench.sent()
    assert (packet.required_min_rx_us, packet.is_poll) == (60_000, True)
    bench.wait(0.1)
    assert bench.echoes() == []
