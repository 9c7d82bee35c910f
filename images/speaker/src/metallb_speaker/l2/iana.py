"""Numbers and addresses that IANA and the IEEE gave to ARP and NDP.

https://www.iana.org/assignments/arp-parameters
https://www.iana.org/assignments/icmpv6-parameters
https://www.iana.org/assignments/ipv6-multicast-addresses
https://www.iana.org/assignments/ieee-802-numbers

Members that we never look at are left in as comments: a reader who meets one in a capture finds
its name here. Addresses are packed bytes, as everywhere in this package.
"""

from enum import IntEnum
from typing import Final


class EtherType(IntEnum):
    """What follows the two MAC addresses of an Ethernet II frame."""

    IPV4 = 0x0800  # RFC 894; here only as the "protocol type" inside ARP
    ARP = 0x0806  # RFC 826
    IPV6 = 0x86DD  # RFC 2464 §3
    # C_VLAN_TAG = 0x8100   IEEE 802.1Q: a frame of another network
    # S_VLAN_TAG = 0x88A8   IEEE 802.1ad


class ArpHardware(IntEnum):
    """The field ar$hrd."""

    ETHERNET = 1  # RFC 826
    # IEEE_802 = 6         RFC 1390; RFC 1122 §2.3.3 lets hosts on Ethernet ignore it
    # INFINIBAND = 32      RFC 4391


class ArpOpcode(IntEnum):
    """The field ar$op."""

    REQUEST = 1  # RFC 826
    REPLY = 2  # RFC 826
    # RARP_REQUEST = 3, RARP_REPLY = 4           RFC 903
    # IN_ARP_REQUEST = 8, IN_ARP_REPLY = 9       RFC 2390


class IpProtocol(IntEnum):
    """The Next Header field of IPv6."""

    # HOP_BY_HOP = 0       RFC 8200 §4.3; MLD reports have it, NDP does not
    # FRAGMENT = 44        RFC 6980 §5 forbids it with NDP
    ICMPV6 = 58  # RFC 4443 §1


class Icmpv6Type(IntEnum):
    """The first octet of an ICMPv6 message."""

    # ROUTER_SOLICITATION = 133       RFC 4861 §4.1
    # ROUTER_ADVERTISEMENT = 134      RFC 4861 §4.2
    NEIGHBOR_SOLICITATION = 135  # RFC 4861 §4.3
    NEIGHBOR_ADVERTISEMENT = 136  # RFC 4861 §4.4
    # REDIRECT = 137                  RFC 4861 §4.5


class NdpOption(IntEnum):
    """The first octet of an option of NDP."""

    SOURCE_LINK_LAYER_ADDRESS = 1  # RFC 4861 §4.6.1
    TARGET_LINK_LAYER_ADDRESS = 2  # RFC 4861 §4.6.1
    # NONCE = 14                      RFC 3971 §5.3.2; Linux sends it in DAD (RFC 7527 §4.1)


class NaFlag(IntEnum):
    """Bits of the 32-bit word before the target of a Neighbor Advertisement (RFC 4861 §4.4)."""

    ROUTER = 1 << 31
    SOLICITED = 1 << 30
    OVERRIDE = 1 << 29


NDP_HOP_LIMIT: Final = 255
"""RFC 4861 §3.1: a message that crossed a router cannot have it."""

MAC_BROADCAST: Final = b"\xff" * 6
MAC_ZERO: Final = bytes(6)

MULTICAST_MAC_PREFIX: Final = b"\x33\x33"
"""RFC 2464 §7."""

IPV4_UNSPECIFIED: Final = bytes(4)
IPV6_UNSPECIFIED: Final = bytes(16)

IPV6_MULTICAST_FIRST_OCTET: Final = 0xFF
"""ff00::/8, RFC 4291 §2.7."""

ALL_NODES: Final = bytes.fromhex("ff020000 00000000 00000000 00000001")
"""ff02::1, RFC 4291 §2.7.1."""

SOLICITED_NODE_PREFIX: Final = bytes.fromhex("ff020000 00000000 00000001 ff")
"""ff02::1:ff00:0/104, RFC 4291 §2.7.1."""
