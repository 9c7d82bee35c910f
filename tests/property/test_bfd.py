"""What holds for BFD whatever comes: bytes of anybody, loss, order, and changes of timers."""

from __future__ import annotations

import random
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import AuthenticationType, State
from metallb_speaker.bfd.packet import ControlPacket, decode
from metallb_speaker.bfd.sessions import Arrival, Loop, Sessions
from support.bfd_wire import BfdWire, Node, config

PEER = ip_address("10.9.0.1")
KINDS = st.none() | st.sampled_from(AuthenticationType)
UINT32 = st.integers(0, 2**32 - 1)
PACKETS = st.builds(
    ControlPacket,
    diagnostic=st.integers(0, 31),
    state=st.sampled_from(State),
    flags=st.integers(0, 63),
    detect_multiplier=st.integers(0, 255),
    length=st.sampled_from((24, 26, 48, 52)) | st.integers(0, 255),
    my_discriminator=UINT32,
    your_discriminator=UINT32,
    desired_min_tx_us=UINT32,
    required_min_rx_us=UINT32,
    required_min_echo_rx_us=UINT32,
)


def sessions_of(kind: AuthenticationType | None) -> Sessions:
    made = Sessions(jitter=random.Random(1).random)
    keys = (AuthenticationKey(1, b"key"),)
    wanted = None if kind is None else Authentication(kind, keys)
    made.apply([BFDConfig(Endpoint(PEER), is_echo=True, authentication=wanted)], 0.0)
    return made


@given(data=st.binary(max_size=80), kind=KINDS, ttl=st.integers(0, 255))
def test_bytes_of_anybody_raise_nothing(
    data: bytes, kind: AuthenticationType | None, ttl: int
) -> None:
    made = sessions_of(kind)
    arrival = Arrival(PEER, ttl)
    assert not made.repeats(data, ttl, 0.0)
    assert isinstance(made.receive_control(data, arrival, 0.0), DropReason | None)
    assert isinstance(made.receive_echo(data, arrival, 0.0), DropReason | Loop)
    made.handle_timer(1.0)


@given(packet=PACKETS)
def test_what_is_written_is_read_and_what_is_read_is_as_it_was_written(
    packet: ControlPacket,
) -> None:
    found = decode(packet.encode().ljust(packet.length, b"\0"))
    assert isinstance(found, DropReason) or found == packet


@given(st.lists(st.tuples(PACKETS, st.booleans(), st.binary(max_size=28)), max_size=30), KINDS)
def test_packets_of_a_peer_that_says_anything_keep_us_sane(
    packets: list[tuple[ControlPacket, bool, bytes]], kind: AuthenticationType | None
) -> None:
    made = sessions_of(kind)
    [session] = made
    now = 0.0
    for packet, is_known, section in packets:
        mine = session.local_discriminator if is_known else packet.your_discriminator
        data = packet._replace(your_discriminator=mine).encode() + section
        if not made.repeats(data, 255, now):
            made.receive_control(data, Arrival(PEER, 255), now)
        now += 0.05
        made.handle_timer(now)
        sent = [item for item in made.datagrams_to_send() if not item.is_echo]
        assert len(sent) <= 4  # no peer makes us flood it
        for item in sent:
            mine_said = decode(item.data)
            assert isinstance(mine_said, ControlPacket)
            assert not (mine_said.is_poll and mine_said.is_final)  # §6.8.7
            if mine_said.state is not State.UP:
                assert mine_said.desired_min_tx_us >= 1_000_000  # §6.8.3
        due_at = made.get_timer()
        assert due_at is not None
        assert due_at >= now - 0.06
    if kind is not None:
        assert session.state is State.DOWN


INTERVALS = st.sampled_from((10_000, 20_000, 50_000, 300_000, 1_000_000, 3_000_000))
SETTINGS = st.fixed_dictionaries(
    {
        "receive_us": INTERVALS,
        "transmit_us": INTERVALS,
        "multiplier": st.integers(1, 10),
        "is_echo": st.booleans(),
    }
)


@given(
    seed=st.integers(0, 2**16),
    loss=st.sampled_from((0.0, 0.2, 0.6)),
    spread=st.sampled_from((0.0, 0.002)),
    first=SETTINGS,
    second=SETTINGS,
    kind=KINDS,
    passive=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_two_nodes_agree_when_the_path_is_good_again(
    seed: int,
    loss: float,
    spread: float,
    first: dict[str, Any],
    second: dict[str, Any],
    kind: AuthenticationType | None,
    passive: bool,
) -> None:
    wire = BfdWire(seed)
    wire.spread_seconds = spread
    keys = (AuthenticationKey(1, b"key"),)
    both: dict[str, Any] = {"authentication": None if kind is None else Authentication(kind, keys)}
    one, other = wire.node("10.9.0.1"), wire.node("10.9.0.2")
    wire.connect(one, other, first={**first, **both, "is_passive": passive}, second=second | both)
    wire.loses = lambda source, target: wire.random.random() < loss
    wire.run(5.0)
    wire.order(one, [config(other, **second, **both)])
    wire.run(5.0)
    wire.loses = lambda source, target: False
    wire.run(60.0)
    for node, peer in ((one, other), (other, one)):
        assert_settled(node, peer)
        node.events.clear()
    if min(first["multiplier"], second["multiplier"]) > 1:
        wire.run(10.0)
        assert one.events == other.events == []


def assert_settled(node: Node, peer: Node) -> None:
    session, its = node.session(), peer.session()
    assert session.state is State.UP
    assert session.remote_discriminator == its.local_discriminator
    assert not session.timing.is_polling
    wanted_us = max(session.config.transmit_us, its.timing.required_min_rx_us)
    assert session.timing.transmit_us == wanted_us
    multiplier = its.config.multiplier
    detection_us = multiplier * max(session.timing.required_min_rx_us, its.config.transmit_us)
    assert session.timing.detection_us == detection_us
