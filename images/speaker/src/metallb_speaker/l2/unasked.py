"""What a link says unasked: announcements of an address, and one question about it.

A client that holds another node's MAC for a VIP learns of the move from these frames only. They are
the same each round (`gratuitous` says when), so a caller may keep them as long as the link lives.
"""

from typing import Final

from metallb_speaker.l2 import arp, ndp
from metallb_speaker.l2.link import Link

_IPV4_LENGTH: Final = 4


def announcement(link: Link, address: bytes) -> tuple[bytes, ...]:
    """Build the frames of one round: two for IPv4, one for IPv6, none for IPv6 without link-local.

    An unsolicited NA comes from the link-local address, which the node surely holds; a VIP sits on
    no interface of ours.
    """
    mac = link.mac.packed
    if len(address) == _IPV4_LENGTH:
        return arp.encode_announcements(mac, address)
    if link.link_local is None:
        return ()
    return (ndp.encode_unsolicited(mac, link.link_local.packed, address),)


def question(link: Link, address: bytes) -> bytes | None:
    """Build the frame that asks who has an address, before it is taken over; None as above.

    An answer comes back as a `Sighting`, if the address is watched.
    """
    mac = link.mac.packed
    if len(address) == _IPV4_LENGTH:
        return arp.encode_probe(mac, address)
    if link.link_local is None:
        return None
    return ndp.encode_solicitation(mac, link.link_local.packed, address)
