"""Numbers that IANA gave to BGP-4, by the names of the RFCs.

https://www.iana.org/assignments/bgp-parameters
https://www.iana.org/assignments/capability-codes
https://www.iana.org/assignments/bgp-extended-communities
https://www.iana.org/assignments/bgp-well-known-communities

Numbers from a peer may be any: `name_of` gives a text for those that we know and those we do not.
"""

from enum import IntEnum
from typing import Final, NamedTuple

BGP_VERSION: Final = 4
BGP_PORT: Final = 179
AS_TRANS: Final = 23456
"""RFC 6793 §9: stands for an AS number that does not fit in two octets."""

TWO_OCTET_AS_MAX: Final = 0xFFFF
FOUR_OCTET_AS_MAX: Final = 0xFFFFFFFF


class MessageType(IntEnum):
    """The type octet of the message header."""

    OPEN = 1  # RFC 4271 §4.2
    UPDATE = 2  # RFC 4271 §4.3
    NOTIFICATION = 3  # RFC 4271 §4.5
    KEEPALIVE = 4  # RFC 4271 §4.4
    ROUTE_REFRESH = 5  # RFC 2918 §3


class ErrorCode(IntEnum):
    """The error code of a NOTIFICATION."""

    MESSAGE_HEADER_ERROR = 1  # RFC 4271 §6.1
    OPEN_MESSAGE_ERROR = 2  # RFC 4271 §6.2
    UPDATE_MESSAGE_ERROR = 3  # RFC 4271 §6.3
    HOLD_TIMER_EXPIRED = 4  # RFC 4271 §6.5
    FINITE_STATE_MACHINE_ERROR = 5  # RFC 4271 §6.6
    CEASE = 6  # RFC 4271 §6.7
    ROUTE_REFRESH_MESSAGE_ERROR = 7  # RFC 7313 §5
    SEND_HOLD_TIMER_EXPIRED = 8  # RFC 9687 §6


UNSPECIFIC: Final = 0
"""RFC 4271 §4.5: "If no appropriate Error Subcode is defined, then a zero (Unspecific) value"."""


class MessageHeaderSubcode(IntEnum):
    """Subcodes of MESSAGE_HEADER_ERROR."""

    CONNECTION_NOT_SYNCHRONIZED = 1
    BAD_MESSAGE_LENGTH = 2
    BAD_MESSAGE_TYPE = 3


class OpenSubcode(IntEnum):
    """Subcodes of OPEN_MESSAGE_ERROR."""

    UNSUPPORTED_VERSION_NUMBER = 1
    BAD_PEER_AS = 2
    BAD_BGP_IDENTIFIER = 3
    UNSUPPORTED_OPTIONAL_PARAMETER = 4
    # AUTHENTICATION_FAILURE = 5, deprecated by RFC 4271
    UNACCEPTABLE_HOLD_TIME = 6
    UNSUPPORTED_CAPABILITY = 7  # RFC 5492 §5
    ROLE_MISMATCH = 11  # RFC 9234 §4.2


class UpdateSubcode(IntEnum):
    """Subcodes of UPDATE_MESSAGE_ERROR."""

    MALFORMED_ATTRIBUTE_LIST = 1
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2
    MISSING_WELL_KNOWN_ATTRIBUTE = 3
    ATTRIBUTE_FLAGS_ERROR = 4
    ATTRIBUTE_LENGTH_ERROR = 5
    INVALID_ORIGIN_ATTRIBUTE = 6
    # AS_ROUTING_LOOP = 7, deprecated by RFC 4271
    INVALID_NEXT_HOP_ATTRIBUTE = 8
    OPTIONAL_ATTRIBUTE_ERROR = 9
    INVALID_NETWORK_FIELD = 10
    MALFORMED_AS_PATH = 11


class FsmSubcode(IntEnum):
    """Subcodes of FINITE_STATE_MACHINE_ERROR (RFC 6608 §3)."""

    UNEXPECTED_MESSAGE_IN_OPENSENT = 1
    UNEXPECTED_MESSAGE_IN_OPENCONFIRM = 2
    UNEXPECTED_MESSAGE_IN_ESTABLISHED = 3


class CeaseSubcode(IntEnum):
    """Subcodes of CEASE (RFC 4486 §3)."""

    MAXIMUM_NUMBER_OF_PREFIXES_REACHED = 1
    ADMINISTRATIVE_SHUTDOWN = 2
    PEER_DE_CONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    OTHER_CONFIGURATION_CHANGE = 6
    CONNECTION_COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8
    HARD_RESET = 9  # RFC 8538 §3
    BFD_DOWN = 10  # RFC 9384 §3


class RouteRefreshErrorSubcode(IntEnum):
    """Subcodes of ROUTE_REFRESH_MESSAGE_ERROR (RFC 7313 §5)."""

    INVALID_MESSAGE_LENGTH = 1


SUBCODES: Final[dict[int, type[IntEnum]]] = {
    ErrorCode.MESSAGE_HEADER_ERROR: MessageHeaderSubcode,
    ErrorCode.OPEN_MESSAGE_ERROR: OpenSubcode,
    ErrorCode.UPDATE_MESSAGE_ERROR: UpdateSubcode,
    ErrorCode.FINITE_STATE_MACHINE_ERROR: FsmSubcode,
    ErrorCode.CEASE: CeaseSubcode,
    ErrorCode.ROUTE_REFRESH_MESSAGE_ERROR: RouteRefreshErrorSubcode,
}


class Afi(IntEnum):
    """Address family identifiers."""

    IPV4 = 1
    IPV6 = 2


class Safi(IntEnum):
    """Subsequent address family identifiers."""

    UNICAST = 1
    # MULTICAST = 2, MPLS_LABEL = 4, MPLS_VPN = 128: nothing of ours is of these


class Family(NamedTuple):
    """An AFI and a SAFI; from a peer they may be any numbers."""

    afi: int
    safi: int

    def __str__(self) -> str:
        return f"{name_of(Afi, self.afi)}/{name_of(Safi, self.safi)}"


IPV4_UNICAST: Final = Family(Afi.IPV4, Safi.UNICAST)
IPV6_UNICAST: Final = Family(Afi.IPV6, Safi.UNICAST)

ADDRESS_OCTETS: Final = {Afi.IPV4.value: 4, Afi.IPV6.value: 16}


class OptionalParameter(IntEnum):
    """Types of optional parameters of OPEN."""

    # AUTHENTICATION = 1, deprecated by RFC 4271
    CAPABILITIES = 2  # RFC 5492 §4
    EXTENDED_LENGTH = 255  # RFC 9072 §2


class CapabilityCode(IntEnum):
    """Capabilities that we read; others are kept as they are."""

    MULTIPROTOCOL = 1  # RFC 4760 §8
    ROUTE_REFRESH = 2  # RFC 2918 §2
    EXTENDED_NEXT_HOP = 5  # RFC 8950 §4
    EXTENDED_MESSAGE = 6  # RFC 8654 §3
    BGP_ROLE = 9  # RFC 9234 §4.1
    GRACEFUL_RESTART = 64  # RFC 4724 §3
    FOUR_OCTET_AS = 65  # RFC 6793 §3
    ADD_PATH = 69  # RFC 7911 §4
    ENHANCED_ROUTE_REFRESH = 70  # RFC 7313 §3.1
    LONG_LIVED_GRACEFUL_RESTART = 71  # RFC 9494 §3.1
    # FQDN = 73            draft-walton-bgp-hostname-capability; FRR sends it
    # ROUTE_REFRESH = 128  of Cisco, before RFC 2918


class AddPathMode(IntEnum):
    """What a speaker can do with path identifiers (RFC 7911 §4)."""

    RECEIVE = 1
    SEND = 2
    BOTH = 3


class Role(IntEnum):
    """What the sender is to its neighbour (RFC 9234 §4.1)."""

    PROVIDER = 0
    ROUTE_SERVER = 1
    ROUTE_SERVER_CLIENT = 2
    CUSTOMER = 3
    PEER = 4


class RouteRefreshSubtype(IntEnum):
    """The octet that was reserved in RFC 2918 (RFC 7313 §3.2)."""

    NORMAL = 0
    BEGINNING = 1
    """BoRR: demarcates the beginning of a route refresh."""
    ENDING = 2
    """EoRR: demarcates the ending of a route refresh."""


class AttributeFlag(IntEnum):
    """The high bits of the first octet of a path attribute (RFC 4271 §4.3)."""

    OPTIONAL = 0x80
    TRANSITIVE = 0x40
    PARTIAL = 0x20
    EXTENDED_LENGTH = 0x10


class AttributeCode(IntEnum):
    """Path attributes that we check or send; others are unknown to us."""

    ORIGIN = 1  # RFC 4271 §5.1.1
    AS_PATH = 2  # RFC 4271 §5.1.2
    NEXT_HOP = 3  # RFC 4271 §5.1.3
    MULTI_EXIT_DISC = 4  # RFC 4271 §5.1.4
    LOCAL_PREF = 5  # RFC 4271 §5.1.5
    ATOMIC_AGGREGATE = 6  # RFC 4271 §5.1.6
    AGGREGATOR = 7  # RFC 4271 §5.1.7
    COMMUNITIES = 8  # RFC 1997
    ORIGINATOR_ID = 9  # RFC 4456 §8
    CLUSTER_LIST = 10  # RFC 4456 §8
    MP_REACH_NLRI = 14  # RFC 4760 §3
    MP_UNREACH_NLRI = 15  # RFC 4760 §4
    EXTENDED_COMMUNITIES = 16  # RFC 4360 §2
    AS4_PATH = 17  # RFC 6793 §3
    AS4_AGGREGATOR = 18  # RFC 6793 §3
    # PMSI_TUNNEL = 22, TUNNEL_ENCAPSULATION = 23
    IPV6_EXTENDED_COMMUNITIES = 25  # RFC 5701 §2
    # BGP_ENTROPY_LABEL_CAPABILITY = 28, deprecated by RFC 7447
    LARGE_COMMUNITIES = 32  # RFC 8092 §3
    OTC = 35  # RFC 9234 §5


class Origin(IntEnum):
    """Values of ORIGIN."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class AsPathSegmentType(IntEnum):
    """Types of the segments of AS_PATH."""

    AS_SET = 1
    AS_SEQUENCE = 2
    # AS_CONFED_SEQUENCE = 3, AS_CONFED_SET = 4   RFC 5065 §3


class WellKnownCommunity(IntEnum):
    """Communities that mean the same everywhere."""

    GRACEFUL_SHUTDOWN = 0xFFFF0000  # RFC 8326 §5
    ACCEPT_OWN = 0xFFFF0001  # RFC 7611 §1
    LLGR_STALE = 0xFFFF0006  # RFC 9494 §3.2
    NO_LLGR = 0xFFFF0007  # RFC 9494 §3.3
    BLACKHOLE = 0xFFFF029A  # RFC 7999 §5
    NO_EXPORT = 0xFFFFFF01  # RFC 1997
    NO_ADVERTISE = 0xFFFFFF02  # RFC 1997
    NO_EXPORT_SUBCONFED = 0xFFFFFF03  # RFC 1997
    NOPEER = 0xFFFFFF04  # RFC 3765


LINK_BANDWIDTH: Final = 0x4004
"""Type and subtype of the community of draft-ietf-idr-link-bandwidth §2: non-transitive,
two-octet AS specific."""

EXTENDED_LINK_BANDWIDTH: Final = 0x4206
"""Type and subtype of the community of draft-li-idr-link-bandwidth-ext: non-transitive, four-octet
AS specific, among those of IPV6_EXTENDED_COMMUNITIES."""


def name_of(kind: type[IntEnum], number: int) -> str:
    """The number's name in words of the RFCs, or the number itself when it has none."""
    if number in kind.__members__.values():
        return kind(number).name
    return str(number)
