"""What two OPENs come to: the capabilities that we offer, and what is left of both sides' wishes.

`negotiate` is where an OPEN that is well-formed is refused for whose it is (RFC 4271 §6.2): another
AS, our own identifier on an internal session, no family in common, roles that do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

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
    encode_capabilities,
)
from metallb_speaker.bgp.config import DynamicAsn
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import (
    AddPathMode,
    Afi,
    ErrorCode,
    Family,
    OpenSubcode,
    Role,
    Safi,
)
from metallb_speaker.bgp.messages import EXTENDED_MESSAGE_LENGTH_MAX, MESSAGE_LENGTH_MAX
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.bgp.received import UpdateOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_speaker.bgp.config import SessionConfig

FAMILIES: Final = {afi: Family(afi, Safi.UNICAST) for afi in Afi}

_ROLE_PAIRS: Final = frozenset(
    {
        (Role.PROVIDER, Role.CUSTOMER),
        (Role.CUSTOMER, Role.PROVIDER),
        (Role.ROUTE_SERVER, Role.ROUTE_SERVER_CLIENT),
        (Role.ROUTE_SERVER_CLIENT, Role.ROUTE_SERVER),
        (Role.PEER, Role.PEER),
    }
)
"""RFC 9234 §4.2, table 2."""

_C = TypeVar("_C", bound=Capability)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What holds for one connection."""

    peer_asn: int
    peer_router_id: int
    hold_seconds: int
    """0: no hold timer, no keepalives."""
    is_internal: bool
    four_octet_as: bool
    families: frozenset[Afi]
    add_path: frozenset[Afi]
    """Of these we send path identifiers."""
    extended_next_hop: bool
    """IPv4 routes may have an IPv6 next hop (RFC 8950)."""
    max_message: int
    route_refresh: bool
    enhanced_refresh: bool
    peer_restart: GracefulRestart | None
    """What the peer says of graceful restart; `None` also when we do not offer it."""
    notification_keeps: bool
    """The N bit of both sides (RFC 8538): only a Hard Reset ends the peer's patience."""
    long_lived: bool
    peer_role: int | None
    peer_capabilities: tuple[Capability, ...]

    @property
    def update_options(self) -> UpdateOptions:
        """How the peer's UPDATEs are to be read. It sends us no path identifiers."""
        return UpdateOptions(
            is_internal=self.is_internal,
            four_octet_as=self.four_octet_as,
            families=frozenset(FAMILIES[afi] for afi in self.families),
            extended_next_hop=frozenset({FAMILIES[Afi.IPV4]} if self.extended_next_hop else ()),
        )


def keepalive_seconds(hold_seconds: int, wished: int | None) -> float:
    """Time between KEEPALIVEs: a third of the hold time (RFC 4271 §4.4), or less if so wished."""
    third = hold_seconds / 3
    return third if wished is None else min(third, max(wished, 1))


def open_message(config: SessionConfig, *, is_restarting: bool) -> OpenMessage:
    """Make our OPEN."""
    return OpenMessage(
        my_as=config.shown_asn,
        hold_seconds=config.hold_seconds,
        router_id=config.router_id,
        capabilities=tuple(_offered(config, is_restarting=is_restarting)),
    )


def _offered(config: SessionConfig, *, is_restarting: bool) -> Iterable[Capability]:
    families = [FAMILIES[afi] for afi in sorted(config.families)]
    yield from map(Multiprotocol, families)
    yield RouteRefresh()
    yield EnhancedRouteRefresh()
    yield FourOctetAs(config.shown_asn)
    if config.extended_message:
        yield ExtendedMessage()
    if config.extended_next_hop and Afi.IPV4 in config.families:
        yield ExtendedNextHop(((FAMILIES[Afi.IPV4], Afi.IPV6),))
    if config.add_path:
        yield AddPath(tuple((family, AddPathMode.SEND) for family in families))
    if config.graceful_restart_seconds is not None:
        # The kernel forwards, not this process: forwarding state outlives a restart of ours (F).
        yield GracefulRestart(
            restarting=is_restarting,
            notification=True,
            restart_seconds=config.graceful_restart_seconds,
            families=tuple((family, True) for family in families),
        )
        if config.long_lived_seconds is not None:
            stale = config.long_lived_seconds
            yield LongLivedGracefulRestart(tuple((family, True, stale) for family in families))
    if config.role is not None and not _is_internal(config, config.peer_asn):
        yield BgpRole(config.role)


def _is_internal(config: SessionConfig, asn: int | DynamicAsn) -> bool:
    return asn in (config.shown_asn, DynamicAsn.INTERNAL)


def negotiate(config: SessionConfig, theirs: OpenMessage) -> Negotiated:
    """Judge the peer's OPEN; raises NotificationError when it is not for us."""
    asn = theirs.asn
    _check_asn(config, asn)
    is_internal = asn == config.shown_asn
    if is_internal and theirs.router_id == config.router_id:
        # RFC 6286 §2.2
        raise _error(OpenSubcode.BAD_BGP_IDENTIFIER, why="it is ours, on an internal session")
    families = _families(config, theirs)
    role = None if is_internal else _role(config, theirs)
    hold = min(config.hold_seconds, theirs.hold_seconds)
    is_extended = config.extended_message and _has(theirs, ExtendedMessage)
    restart = _first(theirs, GracefulRestart)
    if config.graceful_restart_seconds is None:
        restart = None
    is_refreshable = _has(theirs, RouteRefresh)
    return Negotiated(
        peer_asn=asn,
        peer_router_id=theirs.router_id,
        hold_seconds=hold,
        is_internal=is_internal,
        four_octet_as=_has(theirs, FourOctetAs),
        families=families,
        add_path=families & _wants_paths(theirs) if config.add_path else frozenset(),
        extended_next_hop=config.extended_next_hop and _takes_ipv6_next_hop(theirs),
        max_message=EXTENDED_MESSAGE_LENGTH_MAX if is_extended else MESSAGE_LENGTH_MAX,
        route_refresh=is_refreshable,
        enhanced_refresh=is_refreshable and _has(theirs, EnhancedRouteRefresh),
        peer_restart=restart,
        notification_keeps=restart is not None and restart.notification,
        long_lived=restart is not None
        and config.long_lived_seconds is not None
        and _has(theirs, LongLivedGracefulRestart),
        peer_role=role,
        peer_capabilities=theirs.capabilities,
    )


def _error(subcode: OpenSubcode, data: bytes = b"", why: str = "") -> NotificationError:
    return NotificationError(ErrorCode.OPEN_MESSAGE_ERROR, subcode, data, why)


def _check_asn(config: SessionConfig, asn: int) -> None:
    wanted = config.peer_asn
    if isinstance(wanted, DynamicAsn):
        is_ours = asn == config.shown_asn
        if is_ours != (wanted is DynamicAsn.INTERNAL):
            raise _error(OpenSubcode.BAD_PEER_AS, why=f"AS {asn} is not {wanted}")
    elif asn != wanted:
        raise _error(OpenSubcode.BAD_PEER_AS, why=f"AS {asn} in place of {wanted}")


def _all(theirs: OpenMessage, kind: type[_C]) -> tuple[_C, ...]:
    return tuple(item for item in theirs.capabilities if isinstance(item, kind))


def _has(theirs: OpenMessage, kind: type[Capability]) -> bool:
    return bool(_all(theirs, kind))


def _first(theirs: OpenMessage, kind: type[_C]) -> _C | None:
    return next(iter(_all(theirs, kind)), None)


def _families(config: SessionConfig, theirs: OpenMessage) -> frozenset[Afi]:
    """Intersect the families; a peer without the capability has IPv4 unicast (RFC 4760 §8)."""
    stated = {item.family for item in _all(theirs, Multiprotocol)}
    if not stated:
        stated = {FAMILIES[Afi.IPV4]}
    common = frozenset(afi for afi in config.families if FAMILIES[afi] in stated)
    if not common:
        # RFC 5492 §5: "The Data field MUST list the set of capabilities that causes the speaker to
        # send the message."
        missing = [Multiprotocol(FAMILIES[afi]) for afi in sorted(config.families)]
        data = encode_capabilities(missing)
        raise _error(OpenSubcode.UNSUPPORTED_CAPABILITY, data, "no address family in common")
    return common


def _wants_paths(theirs: OpenMessage) -> frozenset[Afi]:
    """Name the families of which the peer can receive several paths (RFC 7911 §4)."""
    modes = {family: mode for item in _all(theirs, AddPath) for family, mode in item.entries}
    can_receive = (AddPathMode.RECEIVE, AddPathMode.BOTH)
    return frozenset(afi for afi, family in FAMILIES.items() if modes.get(family) in can_receive)


def _takes_ipv6_next_hop(theirs: OpenMessage) -> bool:
    wanted = (FAMILIES[Afi.IPV4], Afi.IPV6)
    return any(wanted in item.entries for item in _all(theirs, ExtendedNextHop))


def _role(config: SessionConfig, theirs: OpenMessage) -> int | None:
    """Take the peer's role (RFC 9234 §4.2)."""
    roles = {item.role for item in _all(theirs, BgpRole)}
    if len(roles) > 1:
        raise _error(OpenSubcode.ROLE_MISMATCH, why="several roles")
    role = next(iter(roles), None)
    if config.role is None:
        return role
    if role is None:
        if config.is_role_strict:
            raise _error(OpenSubcode.ROLE_MISMATCH, why="no role, and ours is strict")
    elif (config.role, role) not in _ROLE_PAIRS:
        raise _error(OpenSubcode.ROLE_MISMATCH, why=f"we are {config.role.name}, it is {role}")
    return role
