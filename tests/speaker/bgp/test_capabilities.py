"""Capabilities, octet by octet."""

import pytest

from metallb_speaker.bgp.capabilities import (
    Capability,
    GracefulRestart,
    LongLivedGracefulRestart,
    UnknownCapability,
    encode_capabilities,
    parse_capabilities,
)
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import IPV4_UNICAST, CapabilityCode
from vectors.bgp.opens import CAPABILITIES, MALFORMED


@pytest.mark.parametrize(("wire", "capability"), CAPABILITIES.values(), ids=CAPABILITIES)
def test_a_capability_is_read_and_written_as_drawn(wire: str, capability: Capability) -> None:
    octets = bytes.fromhex(wire)
    assert list(parse_capabilities(octets)) == [capability]
    assert encode_capabilities([capability]) == octets


def test_every_capability_has_a_vector() -> None:
    drawn = {bytes.fromhex(wire)[0] for wire, _ in CAPABILITIES.values()}
    assert drawn >= set(CapabilityCode)


def test_many_capabilities_are_read_in_their_order() -> None:
    octets = b"".join(bytes.fromhex(wire) for wire, _ in CAPABILITIES.values())
    assert list(parse_capabilities(octets)) == [known for _, known in CAPABILITIES.values()]


def test_no_capabilities() -> None:
    assert list(parse_capabilities(b"")) == []
    assert encode_capabilities([]) == b""


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_one_is_an_open_message_error(wire: str) -> None:
    """RFC 4271 §6.2: a parameter "is recognized, but is malformed": 0 (Unspecific)."""
    with pytest.raises(NotificationError) as caught:
        list(parse_capabilities(bytes.fromhex(wire)))
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (2, 0, b"")


def test_times_that_do_not_fit_are_the_longest_ones() -> None:
    restart = GracefulRestart(False, False, 10**6, ())
    stale = LongLivedGracefulRestart(((IPV4_UNICAST, False, 10**9),))
    assert encode_capabilities([restart]).hex() == "40020fff"
    assert encode_capabilities([stale]).hex() == "470700010100ffffff"


def test_a_value_that_does_not_fit_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="255 octets"):
        encode_capabilities([UnknownCapability(200, bytes(256))])
