from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.messages import (
    MAGIC,
    NAME_BYTES_LIMIT,
    TAG_BYTES,
    Heartbeat,
    NodeState,
    decode,
    encode,
)

KEY, OTHER = b"a" * 32, b"b" * 32
PLAIN = Heartbeat(
    node="node-1",
    link="eth0",
    state=NodeState.READY,
    incarnation=7,
    sequence=1,
    challenge=8,
    echo=9,
    interval_seconds=0.05,
    multiplier=3,
    mac=b"\x02\x00\x00\x00\x00\x01",
    orders_version=4,
)

HEARTBEATS = st.builds(
    Heartbeat,
    node=st.text(min_size=1, max_size=40),
    link=st.text(max_size=15),
    state=st.sampled_from(NodeState),
    incarnation=st.integers(0, 2**64 - 1),
    sequence=st.integers(0, 2**64 - 1),
    challenge=st.integers(0, 2**64 - 1),
    echo=st.integers(0, 2**64 - 1),
    interval_seconds=st.integers(1, 2**32 - 1).map(lambda us: us / 1_000_000),
    multiplier=st.integers(1, 255),
    mac=st.binary(min_size=6, max_size=6),
    orders_version=st.integers(0, 2**64 - 1),
)


def test_the_bytes_on_the_wire_are_those_of_the_drawing() -> None:
    data = encode(PLAIN, KEY)
    expected = (
        "4d4c4842"  # magic
        "01020306"  # version 1, state 2, multiplier 3, node length 6
        "0000c350"  # 50 000 us
        "0000000000000007"  # incarnation
        "0000000000000001"  # sequence
        "0000000000000008"  # challenge
        "0000000000000009"  # echo
        "0000000000000004"  # version of the orders
        "02000000000104"  # MAC, link length 4
    ) + b"node-1eth0".hex()
    assert data[:-TAG_BYTES].hex() == expected
    assert MAGIC.to_bytes(4, "big") == b"MLHB"


@given(HEARTBEATS)
def test_what_is_written_is_read_back(heartbeat: Heartbeat) -> None:
    assert decode(encode(heartbeat, KEY), [KEY]) == heartbeat


def test_any_of_the_keys_will_do() -> None:
    assert decode(encode(PLAIN, OTHER), [KEY, OTHER]) == PLAIN
    assert decode(encode(PLAIN, OTHER), [KEY]) is DropReason.AUTHENTICATION
    assert decode(encode(PLAIN, OTHER), []) is DropReason.AUTHENTICATION


def test_a_name_that_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="at most 253 bytes"):
        encode(dataclasses.replace(PLAIN, node="é" * 127), KEY)
    longest = dataclasses.replace(PLAIN, node="n" * NAME_BYTES_LIMIT, link="l" * NAME_BYTES_LIMIT)
    assert decode(encode(longest, KEY), [KEY]) == longest


def _signed(body: bytes) -> bytes:
    import hashlib
    import hmac

    return body + hmac.digest(KEY, body, hashlib.sha256)[:TAG_BYTES]


def _changed(position: int, value: bytes) -> bytes:
    body = bytearray(encode(PLAIN, KEY)[:-TAG_BYTES])
    body[position : position + len(value)] = value
    return _signed(bytes(body))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DropReason.TOO_SHORT),
        (encode(PLAIN, KEY)[:40], DropReason.TOO_SHORT),
        (bytes(2000), DropReason.TOO_LONG),
        (_changed(0, b"HTTP"), DropReason.MAGIC),
        (_changed(4, b"\x02"), DropReason.VERSION),
        (_changed(5, b"\x04"), DropReason.STATE),
        (_changed(6, b"\x00"), DropReason.MALFORMED),
        (_changed(7, b"\x05"), DropReason.MALFORMED),
        (_changed(8, bytes(4)), DropReason.MALFORMED),
        (_changed(58, b"\x09"), DropReason.MALFORMED),
        (_changed(59, b"\xff"), DropReason.MALFORMED),
        (_signed(encode(PLAIN, KEY)[:-TAG_BYTES] + b"x"), DropReason.MALFORMED),
    ],
)
def test_what_is_malformed_is_dropped_for_its_reason(data: bytes, reason: DropReason) -> None:
    assert decode(data, [KEY]) is reason


def test_a_node_without_a_name_is_nobody() -> None:
    body = encode(dataclasses.replace(PLAIN, node="x", link=""), KEY)[:-TAG_BYTES]
    nameless = bytearray(body[:-1])
    nameless[7] = 0
    assert decode(_signed(bytes(nameless)), [KEY]) is DropReason.MALFORMED


@given(st.integers(0, 200), st.integers(1, 255))
def test_every_changed_byte_is_noticed(position: int, flip: int) -> None:
    data = bytearray(encode(PLAIN, KEY))
    data[position % len(data)] ^= flip
    assert isinstance(decode(bytes(data), [KEY]), DropReason)


@given(st.binary(max_size=700))
def test_no_bytes_make_reading_raise(data: bytes) -> None:
    assert isinstance(decode(data, [KEY]), DropReason)


@given(st.binary(max_size=600))
def test_no_signed_bytes_make_reading_raise(body: bytes) -> None:
    decode(_signed(body), [KEY])
    decode(_signed(b"MLHB\x01" + body), [KEY])
