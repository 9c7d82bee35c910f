"""Why a frame got no answer. One word serves the counter, its metric label and the log.

Peers can put any bytes on the wire, so nothing in this package raises because of them: a decoder
returns its packet or a `DropReason`. `ValueError` is for our own misuse (a bad MAC in a setting).
"""

from enum import StrEnum
from typing import Final


class DropReason(StrEnum):
    """Why `respond` did nothing with a frame."""

    # not ARP or NDP as we speak them; the kernel's filter stops these before they wake us
    FRAME_TOO_SHORT = "FrameTooShort"
    OTHER_ETHERTYPE = "OtherEtherType"  # VLAN tags too: a tagged frame is another network's
    ARP_HARDWARE_TYPE = "ArpHardwareType"
    ARP_PROTOCOL_TYPE = "ArpProtocolType"
    ARP_ADDRESS_LENGTH = "ArpAddressLength"
    ARP_OPCODE = "ArpOpcode"
    IPV6_VERSION = "IPv6Version"
    IPV6_NEXT_HEADER = "IPv6NextHeader"
    IPV6_HOP_LIMIT = "IPv6HopLimit"
    ICMPV6_TYPE = "ICMPv6Type"

    # NDP that RFC 4861 §7.1.1 or §7.1.2 says to discard
    ICMPV6_LENGTH = "ICMPv6Length"
    ICMPV6_CODE = "ICMPv6Code"
    ICMPV6_CHECKSUM = "ICMPv6Checksum"
    NDP_TARGET = "NdpTarget"
    NDP_SOURCE = "NdpSource"
    NDP_DESTINATION = "NdpDestination"
    NDP_OPTION_LENGTH = "NdpOptionLength"
    NDP_LINK_LAYER_OPTION = "NdpLinkLayerOption"
    NDP_SOLICITED_FLAG = "NdpSolicitedFlag"

    # well formed, and nothing for us to do
    OWN_FRAME = "OwnFrame"
    NOT_TO_US = "NotToUs"
    SENDER_MAC = "SenderMac"  # a group or zero address: no station has it
    NOT_OWNED = "NotOwned"
    NOT_WATCHED = "NotWatched"
    NO_LINK_LOCAL = "NoLinkLocal"


FILTERED: Final = frozenset(
    {
        DropReason.FRAME_TOO_SHORT,
        DropReason.OTHER_ETHERTYPE,
        DropReason.ARP_HARDWARE_TYPE,
        DropReason.ARP_PROTOCOL_TYPE,
        DropReason.ARP_ADDRESS_LENGTH,
        DropReason.ARP_OPCODE,
        DropReason.IPV6_VERSION,
        DropReason.IPV6_NEXT_HEADER,
        DropReason.IPV6_HOP_LIMIT,
        DropReason.ICMPV6_TYPE,
    }
)
"""What `filters.PROGRAM` stops before it wakes us; one that is counted says the filter is off."""
