"""OPEN: both forms of its parameters, and what is wrong with one whoever sent it."""

import pytest

from metallb_speaker.bgp.capabilities import (
    ExtendedMessage,
    FourOctetAs,
    RouteRefresh,
    UnknownCapability,
)
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.open import OpenMessage
from vectors.bgp.opens import FIXED

ROUTER_ID = 0xC0000201
PLAIN = OpenMessage(65001, 90, ROUTER_ID)
REFRESH = OpenMessage(65001, 90, ROUTER_ID, (RouteRefresh(), ExtendedMessage()))

READ = {
    "RFC 4271 §4.2, no parameters": (f"{FIXED} 00", PLAIN),
    "RFC 5492 §4, one parameter": (f"{FIXED} 06 02 04 0200 0600", REFRESH),
    "RFC 5492 §4, a parameter for each": (f"{FIXED} 08 02 02 0200 02 02 0600", REFRESH),
    "an empty Capabilities parameter": (f"{FIXED} 02 02 00", PLAIN),
    "RFC 9072 §2": (f"{FIXED} ff ff 0007 02 0004 0200 0600", REFRESH),
    "RFC 9072 §2, the old length may be any but 0": (
        f"{FIXED} 01 ff 0007 02 0004 0200 0600",
        REFRESH,
    ),
    "RFC 9072 §2, two": (f"{FIXED} ff ff 000a 02 0002 0200 02 0002 0600", REFRESH),
    "RFC 9072 §2, none": (f"{FIXED} ff ff 0000", PLAIN),
    "hold time 0: none": ("04 fde9 0000 c0000201 00", OpenMessage(65001, 0, ROUTER_ID)),
    "the shortest hold time": ("04 fde9 0003 c0000201 00", OpenMessage(65001, 3, ROUTER_ID)),
}

REFUSED = {
    # RFC 4271 §6.2, RFC 7607 §2, RFC 6286 §2.1, RFC 5492 §4, RFC 9072 §2
    "version 3": ("03 fde9 005a c0000201 00", 1, b"\0\4"),
    "version 5": ("05 fde9 005a c0000201 00", 1, b"\0\4"),
    "AS 0": ("04 0000 005a c0000201 00", 2, b""),
    "AS 0 in the capability": (f"{FIXED} 08 02 06 41 04 00000000", 2, b""),
    "hold time 1": ("04 fde9 0001 c0000201 00", 6, b""),
    "hold time 2": ("04 fde9 0002 c0000201 00", 6, b""),
    "identifier 0": ("04 fde9 005a 00000000 00", 3, b""),
    "authentication, deprecated": (f"{FIXED} 03 01 01 00", 4, b""),
    "unknown parameter": (f"{FIXED} 03 63 01 00", 4, b""),
    "unknown parameter, extended": (f"{FIXED} ff ff 0004 63 0001 00", 4, b""),
    "extended length within": (f"{FIXED} 06 02 00 ff 02 0000", 4, b""),
    "fewer octets than stated": (f"{FIXED} 05 02 02 0200", 0, b""),
    "more octets than stated": (f"{FIXED} 03 02 02 0200", 0, b""),
    "octets, none stated": (f"{FIXED} 00 ff 0000", 0, b""),
    "octets stated, none there": (f"{FIXED} 04", 0, b""),
    "a parameter without length": (f"{FIXED} 01 02", 0, b""),
    "a parameter overruns": (f"{FIXED} 04 02 03 0200", 0, b""),
    "extended length cut": (f"{FIXED} ff ff 00", 0, b""),
    "extended length too large": (f"{FIXED} ff ff 0008 02 0004 0200 0600", 0, b""),
    "extended parameter without length": (f"{FIXED} ff ff 0002 02 00", 0, b""),
    "extended parameter overruns": (f"{FIXED} ff ff 0005 02 0003 0200", 0, b""),
    "malformed capability": (f"{FIXED} 04 02 02 4101", 0, b""),
}


@pytest.mark.parametrize(("wire", "message"), READ.values(), ids=READ)
def test_an_open_is_read(wire: str, message: OpenMessage) -> None:
    assert OpenMessage.parse(bytes.fromhex(wire)) == message


@pytest.mark.parametrize(("wire", "subcode", "data"), REFUSED.values(), ids=REFUSED)
def test_an_open_is_refused(wire: str, subcode: int, data: bytes) -> None:
    with pytest.raises(NotificationError) as caught:
        OpenMessage.parse(bytes.fromhex(wire))
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (2, subcode, data)


@pytest.mark.parametrize("name", ["RFC 4271 §4.2, no parameters", "RFC 5492 §4, one parameter"])
def test_an_open_is_written_with_one_parameter_for_all_capabilities(name: str) -> None:
    wire, message = READ[name]
    assert message.encode() == bytes.fromhex(wire)


def test_the_as_number_is_that_of_the_capability() -> None:
    """RFC 6793 §4.1: AS_TRANS where the number does not fit."""
    message = OpenMessage(4227923967, 90, ROUTER_ID, (RouteRefresh(), FourOctetAs(4227923967)))
    octets = message.encode()
    assert octets[1:3].hex() == "5ba0"
    read = OpenMessage.parse(octets)
    assert OpenMessage(65535, 90, ROUTER_ID).encode()[1:3].hex() == "ffff"
    assert (read.my_as, read.asn, message.asn, PLAIN.asn) == (23456, 4227923967, 4227923967, 65001)


@pytest.mark.parametrize(
    ("length", "head"),
    [(251, "ff 02 fd c8 fb"), (252, "ff ff 0101 02 00fe c8 fc"), (255, "ff ff 0104 02 0101 c8 ff")],
)
def test_the_extended_form_is_written_when_it_must_be(length: int, head: str) -> None:
    """RFC 9072 §2: "the Non-Ext OP Len field SHOULD be set to 255 on transmission"."""
    message = OpenMessage(65001, 90, ROUTER_ID, (UnknownCapability(200, bytes(length)),))
    octets = message.encode()
    start = bytes.fromhex(FIXED + head)
    assert octets == start + bytes(length)
    assert OpenMessage.parse(octets) == message


def test_255_octets_of_parameters_still_fit() -> None:
    """The length octet is 255 then, too; the type after it tells the forms apart."""
    message = OpenMessage(65001, 90, ROUTER_ID, (UnknownCapability(200, bytes(251)),))
    assert message.encode()[9:11].hex() == "ff02"
