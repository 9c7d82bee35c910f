"""The control packet: its bytes, and what is no control packet."""

from __future__ import annotations

import pytest

from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import State
from metallb_speaker.bfd.packet import ControlPacket, decode

PACKET = ControlPacket(
    diagnostic=1,
    state=State.UP,
    flags=0x20,
    detect_multiplier=3,
    length=24,
    my_discriminator=0x01020304,
    your_discriminator=0xA0B0C0D0,
    desired_min_tx_us=300_000,
    required_min_rx_us=50_000,
    required_min_echo_rx_us=0,
)
DATA = bytes.fromhex("21 e0 03 18 01020304 a0b0c0d0 000493e0 0000c350 00000000")
"""By hand, from the drawing in RFC 5880 §4.1."""


def changed(at: int, value: int) -> bytes:
    return DATA[:at] + bytes((value,)) + DATA[at + 1 :]


def test_a_packet_is_written_and_read_as_the_rfc_draws_it() -> None:
    assert PACKET.encode() == DATA
    assert decode(DATA) == PACKET
    assert decode(DATA + b"more") == PACKET


@pytest.mark.parametrize(
    ("flags", "name"),
    [(0x20, "is_poll"), (0x10, "is_final"), (0x04, "is_authenticated"), (0x02, "is_demand")],
)
def test_flags_have_their_bits(flags: int, name: str) -> None:
    section = b"\x01\x04\x00a" if flags == 0x04 else b""
    data = DATA[:1] + bytes((0xC0 | flags, 3, 24 + len(section))) + DATA[4:] + section
    found = decode(data)
    assert isinstance(found, ControlPacket)
    names = ("is_poll", "is_final", "is_authenticated", "is_demand")
    assert {item for item in names if getattr(found, item)} == {name}


@pytest.mark.parametrize("state", State)
def test_states_have_their_bits(state: State) -> None:
    found = decode(changed(1, state << 6))
    assert isinstance(found, ControlPacket)
    assert found.state is state


def test_a_diagnostic_without_a_name_is_a_number() -> None:
    found = decode(changed(0, 0x20 | 31))
    assert isinstance(found, ControlPacket)
    assert found.diagnostic == 31


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DropReason.TOO_SHORT),
        (DATA[:23], DropReason.TOO_SHORT),
        (changed(0, 0x01), DropReason.VERSION),
        (changed(0, 0x41), DropReason.VERSION),
        (changed(3, 23), DropReason.LENGTH),
        (changed(3, 25), DropReason.LENGTH),
        (changed(1, 0xC4), DropReason.LENGTH),  # A is set, so at least 26
        (changed(2, 0), DropReason.DETECT_MULTIPLIER),
        (changed(1, 0xC1), DropReason.MULTIPOINT),
        (DATA[:4] + bytes(4) + DATA[8:], DropReason.MY_DISCRIMINATOR),
        (DATA[:8] + bytes(4) + DATA[12:], DropReason.YOUR_DISCRIMINATOR),
    ],
)
def test_what_is_no_control_packet_is_dropped(data: bytes, reason: DropReason) -> None:
    assert decode(data) is reason


@pytest.mark.parametrize("state", [State.ADMIN_DOWN, State.DOWN])
def test_a_peer_that_is_down_need_not_know_our_discriminator(state: State) -> None:
    data = changed(1, state << 6)
    found = decode(data[:8] + bytes(4) + data[12:])
    assert isinstance(found, ControlPacket)
    assert found.your_discriminator == 0
