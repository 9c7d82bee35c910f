"""Neighbor Solicitation and Neighbor Advertisement of IPv6 over Ethernet (RFC 4861, RFC 2464).

  NS   who has <target>? its sender's MAC is in the source link-layer address option
  NA   <target> is at the MAC in the target link-layer address option
  DAD  an NS from `::`: is <target> in use?                                RFC 4862 §5.4.2
  NUD  an NS to the target itself: are you still there?                    RFC 4861 §7.3

Both messages have one layout, so one type holds either. The octets from the IPv6 source to the end
of the message lie side by side, which is what the checksum covers: one slice, one division.

```
  octet 0            6           12    14        18    20  21  22         38          54
       +------------+------------+-----+---------+-----+---+---+----------+-----------+
       | destination|   source   |86DD |6, class,| len | nh|hop|   IPv6   |   IPv6    |
       |    MAC     |    MAC     |     |  flow   |     | 58|255|  source  |destination|
       +------------+------------+-----+---------+-----+---+---+----------+-----------+
       54    55   56       58                  62               78
       +-----+----+--------+-------------------+----------------+--------------------+- - -
       |type |code|checksum|R|S|O|  reserved   | target address | options: type, len | padding
       |135/6|  0 |        | | | |             |                | in 8 octets, value |
       +-----+----+--------+-------------------+----------------+--------------------+- - -
```

Limits: an extension header before ICMPv6 is not looked behind. RFC 6980 §5 forbids the one that
matters (fragments); hosts send no other with NDP. SEND (RFC 3971) is not done, so a nonce
(RFC 7527) in a solicitation is skipped like any option that we do not know.
"""

import struct
from typing import Final, NamedTuple

from metallb_speaker.l2.errors import DropReason
from metallb_speaker.l2.ethernet import encode_header, multicast_mac
from metallb_speaker.l2.iana import (
    ALL_NODES,
    IPV6_MULTICAST_FIRST_OCTET,
    IPV6_UNSPECIFIED,
    NDP_HOP_LIMIT,
    SOLICITED_NODE_PREFIX,
    EtherType,
    Icmpv6Type,
    IpProtocol,
    NaFlag,
    NdpOption,
)

FRAME_LENGTH_MIN: Final = 78

_FRAME: Final = struct.Struct("!6s6s2xB3xHBB16s16sBB2xI16s")
_IPV6_SOURCE_AT: Final = 22
_ICMPV6_AT: Final = 54
_OPTIONS_AT: Final = 78

_MESSAGE_LENGTH_MIN: Final = 24
_OPTION_UNIT: Final = 8
_MESSAGE_LENGTH_SENT: Final = _MESSAGE_LENGTH_MIN + _OPTION_UNIT
_SENT_HEAD: Final = struct.pack("!IHBB", 6 << 28, _MESSAGE_LENGTH_SENT, IpProtocol.ICMPV6, 255)
_ICMPV6_HEAD: Final = struct.Struct("!BBHI")

_CHECKSUM_MODULUS: Final = 0xFFFF
_SENT_PSEUDO_HEADER: Final = _MESSAGE_LENGTH_SENT + IpProtocol.ICMPV6

_OPTION_OF: Final = {
    Icmpv6Type.NEIGHBOR_SOLICITATION.value: NdpOption.SOURCE_LINK_LAYER_ADDRESS,
    Icmpv6Type.NEIGHBOR_ADVERTISEMENT.value: NdpOption.TARGET_LINK_LAYER_ADDRESS,
}
_TYPES: Final = {member.value: member for member in Icmpv6Type}


class NdpMessage(NamedTuple):
    """One NS or NA and the headers before it; a tuple, since one is made for each frame."""

    type: Icmpv6Type
    destination_mac: bytes
    source_mac: bytes
    source: bytes
    destination: bytes
    target: bytes
    flags: int
    link_layer_address: bytes | None
    """From the source option of an NS, the target option of an NA; None without it."""

    @property
    def is_probe(self) -> bool:
        """An NS of duplicate address detection (RFC 4862 §5.4.2)."""
        return self.source == IPV6_UNSPECIFIED

    @property
    def is_solicited(self) -> bool:
        """The S flag of an NA."""
        return bool(self.flags & NaFlag.SOLICITED)

    @property
    def stated_mac(self) -> bytes:
        """Where the message says that its subject is: the option, or else the frame's source."""
        return self.link_layer_address or self.source_mac


def solicited_node(address: bytes) -> bytes:
    """The group that hears solicitations for an address.

    RFC 4291 §2.7.1: "formed by taking the low-order 24 bits of an address (unicast or anycast) and
    appending those bits to the prefix FF02:0:0:0:0:1:FF00::/104".
    """
    return SOLICITED_NODE_PREFIX + address[13:]


def decode(frame: bytes) -> NdpMessage | DropReason:
    """Read and validate a frame whose EtherType is IPv6, as RFC 4861 §7.1.1 and §7.1.2 demand."""
    if len(frame) < FRAME_LENGTH_MIN:
        return DropReason.FRAME_TOO_SHORT
    (
        destination_mac,
        source_mac,
        version_and_class,
        length,
        next_header,
        hop_limit,
        source,
        destination,
        type_,
        code,
        flags,
        target,
    ) = _FRAME.unpack_from(frame)
    if version_and_class >> 4 != 6:
        return DropReason.IPV6_VERSION
    if next_header != IpProtocol.ICMPV6:
        return DropReason.IPV6_NEXT_HEADER
    # "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been
    # forwarded by a router."
    if hop_limit != NDP_HOP_LIMIT:
        return DropReason.IPV6_HOP_LIMIT
    option = _OPTION_OF.get(type_)
    if option is None:
        return DropReason.ICMPV6_TYPE
    # "ICMP length (derived from the IP length) is 24 or more octets."
    end = _ICMPV6_AT + length
    # Options come in units of 8 octets (§4.6), and so do the 24 octets before them.
    if not _OPTIONS_AT <= end <= len(frame) or length % _OPTION_UNIT:
        return DropReason.ICMPV6_LENGTH
    # "ICMP Code is 0."
    if code:
        return DropReason.ICMPV6_CODE
    # "ICMP Checksum is valid."
    if _checksum(frame[_IPV6_SOURCE_AT:end], length + IpProtocol.ICMPV6):
        return DropReason.ICMPV6_CHECKSUM
    link_layer_address = _link_layer_address(frame, end, option)
    if isinstance(link_layer_address, DropReason):
        return link_layer_address
    message = NdpMessage(
        _TYPES[type_],
        destination_mac,
        source_mac,
        source,
        destination,
        target,
        flags,
        link_layer_address,
    )
    return _why_invalid(message) or message


def _why_invalid(message: NdpMessage) -> DropReason | None:
    """Judge the addresses of a message, each by the sentence of RFC 4861 above its line."""
    # "Target Address is not a multicast address." (§7.1.1, §7.1.2)
    if message.target[0] == IPV6_MULTICAST_FIRST_OCTET:
        return DropReason.NDP_TARGET
    # RFC 4291 §2.7: "Multicast addresses must not be used as source addresses in IPv6 packets"
    if message.source[0] == IPV6_MULTICAST_FIRST_OCTET:
        return DropReason.NDP_SOURCE
    if message.type is Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
        # §7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is zero."
        if message.is_solicited and message.destination[0] == IPV6_MULTICAST_FIRST_OCTET:
            return DropReason.NDP_SOLICITED_FLAG
        # §4.4, Source Address: "An address assigned to the interface"
        return DropReason.NDP_SOURCE if message.source == IPV6_UNSPECIFIED else None
    if message.source == IPV6_UNSPECIFIED:
        # §7.1.1: "If the IP source address is the unspecified address, the IP destination address
        # is a solicited-node multicast address."
        if not message.destination.startswith(SOLICITED_NODE_PREFIX):
            return DropReason.NDP_DESTINATION
        # §7.1.1: "If the IP source address is the unspecified address, there is no source
        # link-layer address option in the message."
        if message.link_layer_address is not None:
            return DropReason.NDP_LINK_LAYER_OPTION
    return None


def _link_layer_address(frame: bytes, end: int, wanted: NdpOption) -> bytes | DropReason | None:
    """Walk the options, which the frame's length bounds; give the MAC of the first wanted one."""
    found: bytes | None = None
    at = _OPTIONS_AT
    while at < end:
        # "All included options have a length that is greater than zero."
        length = frame[at + 1] * _OPTION_UNIT
        if length == 0 or at + length > end:
            return DropReason.NDP_OPTION_LENGTH
        # §4.3, §4.4: "Receivers MUST silently ignore any options they do not recognize and continue
        # processing the message."
        if frame[at] == wanted and found is None:
            # RFC 2464 §6: on Ethernet its length is 1, in units of 8 octets
            if length != _OPTION_UNIT:
                return DropReason.NDP_LINK_LAYER_OPTION
            found = frame[at + 2 : at + _OPTION_UNIT]
        at += length
    return found


def _checksum(covered: bytes, rest: int) -> int:
    """Compute the checksum of a whole number of 16-bit words and `rest` (RFC 4443 §2.3).

    RFC 1071 §1 asks for the ones' complement of their ones' complement sum; over a message with its
    checksum in place that is 0. 2^16 leaves 1 when divided by 2^16 - 1, so a large number leaves
    what the sum of its 16-bit digits leaves, and the end-around carries are the division. The sum
    is not zero, since the next header in it is not: a remainder of 0 stands for the sum 0xFFFF.
    """
    return -(int.from_bytes(covered, "big") + rest) % _CHECKSUM_MODULUS


def _encode(
    type_: Icmpv6Type,
    *,
    destination_mac: bytes,
    mac: bytes,
    source: bytes,
    destination: bytes,
    target: bytes,
    flags: int,
) -> bytes:
    """Build a frame with one link-layer address option that holds `mac`."""
    addresses = source + destination
    tail = target + bytes((_OPTION_OF[type_], 1)) + mac
    checksum = _checksum(addresses + tail, (type_ << 8) + flags + _SENT_PSEUDO_HEADER)
    return b"".join(
        (
            encode_header(destination_mac, mac, EtherType.IPV6),
            _SENT_HEAD,
            addresses,
            _ICMPV6_HEAD.pack(type_, 0, checksum, flags),
            tail,
        )
    )


def encode_answer(solicitation: NdpMessage, mac: bytes) -> bytes:
    """Answer a solicitation for a VIP that is at `mac`.

    - Override: RFC 4861 §7.2.4 wants it zero for "either an anycast address or a unicast address
      for which the node is providing proxy service", and otherwise "SHOULD be set to one". A VIP is
      neither: one node owns it. Without the flag a client keeps the dead owner's MAC.
    - Router stays zero: §7.2.5 has clients use it for the default router list only, on which a VIP
      is not; and an owner must not differ from the next one by its forwarding sysctl.
    - The target link-layer option is always there, though §7.2.4 lets it be omitted in an answer
      to unicast: a client that lost its cache entry meanwhile has use for it.
    - The source is the target: "An address assigned to the interface from which the advertisement
      is sent" (§4.4) allows the link-local address too, but ndisc6 takes no answer from another
      address than it asked for, and Linux answers so.
    - A prober without an address gets it by multicast: "If the source of the solicitation is the
      unspecified address, the node MUST set the Solicited flag to zero and multicast the
      advertisement to the all-nodes address. Otherwise, the node MUST set the Solicited flag to
      one and unicast the advertisement to the Source Address of the solicitation."
    - Without a source link-layer option (allowed in unicast, §4.3) §7.2.4 would have us solicit the
      asker first. We keep no neighbor cache: the answer goes to the MAC that the frame came from.
    """
    if solicitation.is_probe:
        return encode_unsolicited(mac, solicitation.target, solicitation.target)
    return _encode(
        Icmpv6Type.NEIGHBOR_ADVERTISEMENT,
        destination_mac=solicitation.stated_mac,
        mac=mac,
        source=solicitation.target,
        destination=solicitation.source,
        target=solicitation.target,
        flags=NaFlag.SOLICITED | NaFlag.OVERRIDE,
    )


def encode_unsolicited(mac: bytes, source: bytes, target: bytes) -> bytes:
    """Build an unsolicited NA: NDP's gratuitous ARP.

    RFC 4861 §7.2.6: "The Target Address field in the unsolicited advertisement is set to an IP
    address of the interface, and the Target Link-Layer Address option is filled with the new
    link-layer address. The Solicited flag MUST be set to zero, in order to avoid confusing the
    Neighbor Unreachability Detection algorithm." The Override flag "MAY be set to either zero or
    one"; only with one do clients move.
    """
    return _encode(
        Icmpv6Type.NEIGHBOR_ADVERTISEMENT,
        destination_mac=multicast_mac(ALL_NODES),
        mac=mac,
        source=source,
        destination=ALL_NODES,
        target=target,
        flags=NaFlag.OVERRIDE,
    )


def encode_solicitation(mac: bytes, source: bytes, target: bytes) -> bytes:
    """Ask who has an address (RFC 4861 §7.2.2): to its solicited-node group, with our MAC."""
    group = solicited_node(target)
    return _encode(
        Icmpv6Type.NEIGHBOR_SOLICITATION,
        destination_mac=multicast_mac(group),
        mac=mac,
        source=source,
        destination=group,
        target=target,
        flags=0,
    )
