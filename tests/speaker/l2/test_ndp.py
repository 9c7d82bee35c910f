"""NDP messages, against scapy in both directions; validation by RFC 4861 §7.1.1 and §7.1.2."""

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6, in6_getnsma
from scapy.layers.l2 import Ether

from metallb_speaker.l2 import ndp
from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.iana import Icmpv6Type
from vectors.l2 import frames
from vectors.l2.frames import (
    ALL_NODES_MAC,
    ASKER_IPV6,
    ASKER_MAC,
    NODE_LINK_LOCAL,
    NODE_MAC,
    VIP6,
    na,
    ns,
    with_checksum,
)

MAC = frames.LINK.mac.packed
ASKER = bytes.fromhex("02000000000a")
VIP = IPv6Address(VIP6).packed
OTHER_MAC = "02:00:00:00:00:77"
SLLA = bytes((1, 1)) + ASKER
NONCE = bytes.fromhex("0e01f452af7bbbc8")


def decoded(frame: bytes) -> ndp.NdpMessage:
    message = ndp.decode(frame)
    assert isinstance(message, ndp.NdpMessage)
    return message


def fields(frame: bytes) -> dict[str, object]:
    """All fields of an advertisement, by scapy, which computes the checksum anew."""
    ether = Ether(frame)
    ip, message = ether[IPv6], ether[ICMPv6ND_NA]
    assert (ether.type, ip.version, ip.tc, ip.fl, ip.nh, ip.hlim) == (0x86DD, 6, 0, 0, 58, 255)
    assert (ip.plen, len(frame), message.code, message.res) == (32, 86, 0, 0)
    option = message.payload
    assert (option.type, option.len, bytes(option.payload)) == (2, 1, b"")
    again = ether.copy()
    del again[ICMPv6ND_NA].cksum
    assert bytes(again) == frame
    return {
        "to": ether.dst,
        "from": ether.src,
        "source": ip.src,
        "destination": ip.dst,
        "target": message.tgt,
        "flags": (message.R, message.S, message.O),
        "mac": option.lladdr,
    }


def changed(frame: bytes, at: int, octets: bytes) -> bytes:
    """A frame with other octets at a place, and a checksum that fits."""
    return with_checksum(frame[:at] + octets + frame[at + len(octets) :])


class TestDecode:
    def test_solicitation_is_read(self) -> None:
        message = decoded(ns())
        assert message == ndp.NdpMessage(
            type=Icmpv6Type.NEIGHBOR_SOLICITATION,
            destination_mac=b"\x33\x33\xff\x00\x00\x50",
            source_mac=ASKER,
            source=IPv6Address(ASKER_IPV6).packed,
            destination=IPv6Address("ff02::1:ff00:50").packed,
            target=VIP,
            flags=0,
            link_layer_address=ASKER,
        )
        assert not message.is_probe

    def test_solicitation_of_dad_is_a_probe(self) -> None:
        message = decoded(ns(source="::", option=None))
        assert message.is_probe
        assert message.link_layer_address is None
        assert message.stated_mac == ASKER

    @pytest.mark.parametrize("solicited", [0, 1])
    def test_advertisement_is_read(self, solicited: int) -> None:
        message = decoded(na(destination=NODE_LINK_LOCAL, option=OTHER_MAC, solicited=solicited))
        assert message.type is Icmpv6Type.NEIGHBOR_ADVERTISEMENT
        assert message.target == IPv6Address("fd09::51").packed
        assert message.is_solicited is bool(solicited)
        assert message.stated_mac == bytes.fromhex("020000000077")
        assert message.source_mac == ASKER

    @pytest.mark.parametrize("padding", [b"", b"\0" * 6, b"\xff" * 100])
    def test_padding_after_the_message_is_ignored(self, padding: bytes) -> None:
        assert ndp.decode(ns() + padding) == decoded(ns())

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (b"", None),
            (NONCE, None),
            (SLLA + NONCE, ASKER),
            (NONCE + SLLA, ASKER),
            (bytes((200, 2)) + bytes(14) + SLLA, ASKER),
            (SLLA + bytes((1, 1)) + b"\x02\0\0\0\0\x77", ASKER),  # Linux too takes the first
            (bytes((2, 1)) + ASKER, None),  # the target option says nothing in an NS
            (bytes((2, 2)) + bytes(14), None),
            (NONCE * 170 + SLLA, ASKER),
        ],
    )
    def test_options_are_walked(self, options: bytes, expected: bytes | None) -> None:
        assert decoded(ns(option=None, options=options)).link_layer_address == expected

    @pytest.mark.parametrize("checksum_field", ["0000", "ffff"])
    def test_either_zero_of_ones_complement_is_a_valid_checksum(self, checksum_field: str) -> None:
        frame = frame_with_checksum_zero()
        field = bytes.fromhex(checksum_field)
        assert isinstance(ndp.decode(frame[:56] + field + frame[58:]), ndp.NdpMessage)


def frame_with_checksum_zero() -> bytes:
    """An NS whose checksum comes out as 0: what it was goes into a word of the target."""
    checksum = int.from_bytes(ns(target="fd09:0::50")[56:58], "big")
    frame = ns(target=f"fd09:{checksum:x}::50")
    assert frame[56:58] == b"\0\0"
    return frame


class TestWrongMessageIsDropped:
    @pytest.mark.parametrize("length", range(78))
    def test_frame_cut_before_the_end_of_the_target(self, length: int) -> None:
        assert ndp.decode(ns()[:length]) is DropReason.FRAME_TOO_SHORT

    @pytest.mark.parametrize("length", range(78, 86))
    def test_frame_cut_in_an_option(self, length: int) -> None:
        assert ndp.decode(ns()[:length]) is DropReason.ICMPV6_LENGTH

    @pytest.mark.parametrize("hop_limit", [0, 1, 64, 254])
    def test_hop_limit_that_a_router_may_have_lowered(self, hop_limit: int) -> None:
        assert ndp.decode(ns(hop_limit=hop_limit)) is DropReason.IPV6_HOP_LIMIT

    @pytest.mark.parametrize("length", [*range(24), 25, 31, 33, 34, 36, 39, 40, 1280, 65535])
    def test_ip_length_that_does_not_fit(self, length: int) -> None:
        frame = ns()
        frame = frame[:18] + length.to_bytes(2, "big") + frame[20:]
        assert ndp.decode(frame + bytes(4)) is DropReason.ICMPV6_LENGTH

    @pytest.mark.parametrize("at", range(22, 86))
    def test_any_octet_under_the_checksum_that_flips(self, at: int) -> None:
        frame = bytearray(ns())
        frame[at] ^= 0x10
        expected = {54: DropReason.ICMPV6_TYPE, 55: DropReason.ICMPV6_CODE}
        assert ndp.decode(bytes(frame)) is expected.get(at, DropReason.ICMPV6_CHECKSUM)

    @pytest.mark.parametrize(
        ("situation", "frame", "reason"),
        [
            ("IPv4 in an IPv6 frame", changed(ns(), 14, b"\x45"), DropReason.IPV6_VERSION),
            ("UDP", changed(ns(), 20, b"\x11"), DropReason.IPV6_NEXT_HEADER),
            ("hop-by-hop first", changed(ns(), 20, b"\x00"), DropReason.IPV6_NEXT_HEADER),
            ("a fragment", changed(ns(), 20, b"\x2c"), DropReason.IPV6_NEXT_HEADER),
            ("router solicitation", changed(ns(), 54, b"\x85"), DropReason.ICMPV6_TYPE),
            ("router advertisement", changed(ns(), 54, b"\x86"), DropReason.ICMPV6_TYPE),
            ("redirect", changed(ns(), 54, b"\x89"), DropReason.ICMPV6_TYPE),
            ("echo", changed(ns(), 54, b"\x80"), DropReason.ICMPV6_TYPE),
            ("code 1", ns(code=1), DropReason.ICMPV6_CODE),
            ("no checksum", ns(cksum=0), DropReason.ICMPV6_CHECKSUM),
            (
                "multicast target",
                ns(target="ff02::1", destination="ff02::1:ff00:1"),
                DropReason.NDP_TARGET,
            ),
            ("multicast source", ns(source="ff02::5"), DropReason.NDP_SOURCE),
            (
                "DAD to the target",
                ns(source="::", option=None, destination=VIP6),
                DropReason.NDP_DESTINATION,
            ),
            (
                "DAD to all nodes",
                ns(source="::", option=None, destination="ff02::1"),
                DropReason.NDP_DESTINATION,
            ),
            ("DAD with a MAC", ns(source="::"), DropReason.NDP_LINK_LAYER_OPTION),
            (
                "NA to a multicast target",
                na(target="ff02::1", source="fd09::1"),
                DropReason.NDP_TARGET,
            ),
            ("NA from multicast", na(source="ff02::1"), DropReason.NDP_SOURCE),
            ("NA from nowhere", na(source="::"), DropReason.NDP_SOURCE),
            ("NA to many, solicited", na(solicited=1), DropReason.NDP_SOLICITED_FLAG),
            ("NA with code", na(code=7), DropReason.ICMPV6_CODE),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_for_its_fields(self, situation: str, frame: bytes, reason: DropReason) -> None:
        assert ndp.decode(frame) is reason, situation

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (bytes(8), DropReason.NDP_OPTION_LENGTH),
            (bytes((1, 0)) + ASKER, DropReason.NDP_OPTION_LENGTH),
            (SLLA + bytes((14, 0)) + bytes(6), DropReason.NDP_OPTION_LENGTH),
            (bytes((1, 2)) + ASKER, DropReason.NDP_OPTION_LENGTH),
            (bytes((14, 255)) + bytes(14), DropReason.NDP_OPTION_LENGTH),
            (SLLA + bytes((14, 2)) + bytes(6), DropReason.NDP_OPTION_LENGTH),
            (bytes((1, 2)) + bytes(14), DropReason.NDP_LINK_LAYER_OPTION),
            (bytes((1, 255)) + bytes(2038), DropReason.NDP_LINK_LAYER_OPTION),
            (b"\x01", DropReason.ICMPV6_LENGTH),
            (SLLA + b"\x0e\x01", DropReason.ICMPV6_LENGTH),
        ],
    )
    def test_for_its_options(self, options: bytes, reason: DropReason) -> None:
        assert ndp.decode(ns(option=None, options=options)) is reason


class TestEncode:
    @pytest.mark.parametrize("to_group", [True, False])
    def test_answer_is_solicited_overrides_and_comes_from_the_target(self, to_group: bool) -> None:
        question = ns(mac=OTHER_MAC) if to_group else ns(destination=VIP6, to=NODE_MAC)
        assert fields(ndp.encode_answer(decoded(question), MAC)) == {
            "to": ASKER_MAC,  # the option of the question, not the source of its frame
            "from": NODE_MAC,
            "source": VIP6,
            "destination": ASKER_IPV6,
            "target": VIP6,
            "flags": (0, 1, 1),
            "mac": NODE_MAC,
        }

    def test_answer_to_question_without_option_goes_to_the_source_of_the_frame(self) -> None:
        question = ns(destination=VIP6, to=NODE_MAC, mac=OTHER_MAC, option=None)
        answer = fields(ndp.encode_answer(decoded(question), MAC))
        assert (answer["to"], answer["destination"]) == (OTHER_MAC, ASKER_IPV6)
        assert answer["flags"] == (0, 1, 1)

    def test_answer_to_dad_goes_to_all_nodes_unsolicited(self) -> None:
        question = decoded(ns(source="::", option=None))
        assert fields(ndp.encode_answer(question, MAC)) == {
            "to": ALL_NODES_MAC,
            "from": NODE_MAC,
            "source": VIP6,
            "destination": "ff02::1",
            "target": VIP6,
            "flags": (0, 0, 1),
            "mac": NODE_MAC,
        }

    def test_unsolicited_advertisement_comes_from_the_link_local_and_overrides(self) -> None:
        frame = ndp.encode_unsolicited(MAC, IPv6Address(NODE_LINK_LOCAL).packed, VIP)
        assert fields(frame) == {
            "to": ALL_NODES_MAC,
            "from": NODE_MAC,
            "source": NODE_LINK_LOCAL,
            "destination": "ff02::1",
            "target": VIP6,
            "flags": (0, 0, 1),
            "mac": NODE_MAC,
        }
        assert not decoded(frame).is_solicited

    def test_solicitation_goes_to_the_group_of_the_target(self) -> None:
        frame = ndp.encode_solicitation(MAC, IPv6Address(NODE_LINK_LOCAL).packed, VIP)
        assert frame == ns(source=NODE_LINK_LOCAL, mac=NODE_MAC, option=NODE_MAC)
        assert Ether(frame)[ICMPv6ND_NS].tgt == VIP6

    def test_checksum_of_zero_is_sent_as_scapy_sends_it(self) -> None:
        question = frame_with_checksum_zero()
        target = decoded(question).target
        frame = ndp.encode_solicitation(ASKER, IPv6Address(ASKER_IPV6).packed, target)
        assert frame[56:58] == b"\0\0"
        assert frame == question


@pytest.mark.parametrize(
    "address", ["fd09::50", "2001:db8::12:3456", "fe80::1", "2001:db8::ffff:ffff"]
)
def test_solicited_node_group_has_the_last_24_bits(address: str) -> None:
    packed = IPv6Address(address).packed
    assert ndp.solicited_node(packed) == in6_getnsma(packed)
