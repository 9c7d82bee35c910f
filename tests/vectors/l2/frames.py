"""Frames for the tests of l2: recorded ones, and scapy's, which is our independent encoder.

`recorded.json` holds what Linux 6.18, iputils-arping and ndisc6 put on a veth pair on 2026-11-23:
the asker is 02:00:00:00:00:0a (10.9.0.1, fd09::1), the node is LINK. `linux_answer` is what the
kernel of the node answered while it had the VIP on that interface.
"""

import json
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    in6_chksum,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.link import Link

RECORDED: Final[list[dict[str, str]]] = json.loads(
    Path(__file__).with_name("recorded.json").read_text()
)
RECORDED_FLOOR: Final = 21

NODE_MAC: Final = "02:00:00:00:00:0b"
NODE_LINK_LOCAL: Final = "fe80::ff:fe00:b"
ASKER_MAC: Final = "02:00:00:00:00:0a"
ASKER_IPV4: Final = "10.9.0.1"
ASKER_IPV6: Final = "fd09::1"
BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
ALL_NODES_MAC: Final = "33:33:00:00:00:01"

LINK: Final = Link("eth0", 2, MacAddress.parse(NODE_MAC), IPv6Address(NODE_LINK_LOCAL))


def packed(*addresses: str) -> frozenset[bytes]:
    return frozenset(ip_address(address).packed for address in addresses)


VIP4: Final = "10.9.0.50"
VIP6: Final = "fd09::50"
OWNED: Final = packed(VIP4, VIP6)
WATCHED: Final = packed("10.9.0.51", "fd09::51", ASKER_IPV4, ASKER_IPV6)


def arp(
    op: int = 1,
    *,
    sender: str = ASKER_IPV4,
    target: str = VIP4,
    mac: str = ASKER_MAC,
    target_mac: str = "00:00:00:00:00:00",
    to: str = BROADCAST,
    source: str | None = None,
    **fields: int,
) -> bytes:
    """An ARP frame as scapy builds it; `fields` are scapy's (hwtype, ptype, hwlen, plen)."""
    return bytes(
        Ether(dst=to, src=source or mac)
        / ARP(op=op, hwsrc=mac, psrc=sender, hwdst=target_mac, pdst=target, **fields)
    )


def solicited_node_mac(target: str) -> str:
    return "33:33:ff:" + IPv6Address(target).packed[13:].hex(":")


def solicited_node_group(target: str) -> str:
    return (
        "ff02::1:ff"
        + IPv6Address(target).packed[13:14].hex()
        + ":"
        + (IPv6Address(target).packed[14:].hex())
    )


def ns(
    *,
    target: str = VIP6,
    source: str = ASKER_IPV6,
    destination: str | None = None,
    mac: str = ASKER_MAC,
    to: str | None = None,
    option: str | None = ASKER_MAC,
    options: bytes = b"",
    hop_limit: int = 255,
    **fields: int,
) -> bytes:
    """A Neighbor Solicitation as scapy builds it, checksum and all."""
    packet = (
        Ether(dst=to or solicited_node_mac(target), src=mac)
        / IPv6(src=source, dst=destination or solicited_node_group(target), hlim=hop_limit)
        / ICMPv6ND_NS(tgt=target, **fields)
    )
    if option is not None:
        packet /= ICMPv6NDOptSrcLLAddr(lladdr=option)
    if options:
        packet /= Raw(options)
    return bytes(packet)


def na(
    *,
    target: str = "fd09::51",
    source: str | None = None,
    destination: str = "ff02::1",
    mac: str = ASKER_MAC,
    to: str = ALL_NODES_MAC,
    option: str | None = ASKER_MAC,
    solicited: int = 0,
    **fields: int,
) -> bytes:
    """A Neighbor Advertisement as scapy builds it."""
    packet = (
        Ether(dst=to, src=mac)
        / IPv6(src=source or target, dst=destination, hlim=255)
        / ICMPv6ND_NA(tgt=target, R=0, S=solicited, O=1, **fields)
    )
    if option is not None:
        packet /= ICMPv6NDOptDstLLAddr(lladdr=option)
    return bytes(packet)


def with_checksum(frame: bytes) -> bytes:
    """Let scapy compute the ICMPv6 checksum of a frame whose bytes were changed.

    It covers what the IP length says, which may be less than the frame has, or more (as zeros).
    """
    header, body = IPv6(frame[14:54]), frame[54:]
    covered = bytearray(body[: header.plen].ljust(header.plen, b"\0"))
    covered[2:4] = b"\0\0"
    checksum: bytes = in6_chksum(58, header, bytes(covered)).to_bytes(2, "big")
    return frame[:56] + checksum + frame[58:]
