"""Capabilities and OPENs as octets, each with where its layout is drawn."""

from metallb_speaker.bgp.capabilities import (
    AddPath,
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    LongLivedGracefulRestart,
    Multiprotocol,
    RouteRefresh,
    UnknownCapability,
)
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, AddPathMode, Afi, Family, Role

CAPABILITIES: dict[str, tuple[str, Capability]] = {
    "RFC 4760 §8, IPv4": ("01 04 0001 00 01", Multiprotocol(IPV4_UNICAST)),
    "RFC 4760 §8, IPv6": ("01 04 0002 00 01", Multiprotocol(IPV6_UNICAST)),
    "RFC 4760 §8, another": (
        "01 04 4004 00 47",
        Multiprotocol(Family(16388, 71)),
    ),
    "RFC 2918 §2": ("02 00", RouteRefresh()),
    "RFC 8950 §4": ("05 06 0001 0001 0002", ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6),))),
    "RFC 8950 §4, two": (
        "05 0c 0001 0001 0002 0001 0080 0002",
        ExtendedNextHop(((IPV4_UNICAST, Afi.IPV6), (Family(1, 128), Afi.IPV6))),
    ),
    "RFC 8654 §3": ("06 00", ExtendedMessage()),
    "RFC 9234 §4.1": ("09 01 03", BgpRole(Role.CUSTOMER)),
    "RFC 9234 §4.1, a role of the future": ("09 01 c8", BgpRole(200)),
    "RFC 4724 §3, nothing kept": ("40 02 0078", GracefulRestart(False, False, 120, ())),
    "RFC 4724 §3, RFC 8538 §2": (
        "40 0a c078 0001 01 80 0002 01 00",
        GracefulRestart(True, True, 120, ((IPV4_UNICAST, True), (IPV6_UNICAST, False))),
    ),
    "RFC 6793 §3": ("41 04 fc00ffff", FourOctetAs(4227923967)),
    "RFC 7911 §4": (
        "45 08 0001 01 01 0002 01 03",
        AddPath(((IPV4_UNICAST, AddPathMode.RECEIVE), (IPV6_UNICAST, AddPathMode.BOTH))),
    ),
    "RFC 7313 §3.1": ("46 00", EnhancedRouteRefresh()),
    "RFC 9494 §3.1": (
        "47 0e 0001 01 80 000e10 0002 01 00 ffffff",
        LongLivedGracefulRestart(((IPV4_UNICAST, True, 3600), (IPV6_UNICAST, False, 16777215))),
    ),
    "draft-walton-bgp-hostname-capability": (
        "49 08 06726f75746572 00",
        UnknownCapability(73, b"\x06router\0"),
    ),
    "RFC 5492 §4, empty and unknown": ("80 00", UnknownCapability(128, b"")),
}

MALFORMED = {
    "no length": "01",
    "overruns the parameter": "01 04 0001 00",
    "an unknown one overruns the parameter": "c8 04 010203",
    "Multiprotocol, short": "01 03 0001 00",
    "Multiprotocol, long": "01 05 0001 00 01 00",
    "RouteRefresh with a value": "02 01 00",
    "ExtendedNextHop, an entry cut": "05 05 0001 0001 00",
    "ExtendedMessage with a value": "06 02 1000",
    "BgpRole, empty": "09 00",
    "BgpRole, two": "09 02 0003",
    "GracefulRestart, empty": "40 00",
    "GracefulRestart, one octet": "40 01 00",
    "GracefulRestart, an entry cut": "40 05 0078 0001 01",
    "FourOctetAs, two octets": "41 02 fde9",
    "FourOctetAs, five octets": "41 05 00fde900 00",
    "AddPath, an entry cut": "45 03 0001 01",
    "EnhancedRouteRefresh with a value": "46 01 00",
    "LongLivedGracefulRestart, an entry cut": "47 06 0001 01 80 0000",
}
"""Values that the RFC of the capability does not allow."""

FIXED = "04 fde9 005a c0000201"
"""RFC 4271 §4.2: version 4, AS 65001, hold time 90, identifier 192.0.2.1."""
