"""From peers of objects to peers of sockets: what this node's sessions are like.

The router ID, if the peer does not say one, is the node's IPv4 address, else a number made of the
node's name, as MetalLB makes it. What is not said at all has the defaults of the module's settings.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb.net.addresses import Family
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bgp.config import DynamicAsn, SessionConfig
from metallb_speaker.bgp.iana import Afi, Role
from metallb_speaker.peering.config import BfdMode, PeerConfig, TcpAoKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.meta import ObjectKey
    from metallb.api.nodes import Node
    from metallb.api.session_options import TCPAuthentication
    from metallb.domain.peers import Peer
    from metallb.net.addresses import IPAddress
    from metallb_speaker.settings import BgpSettings

RESTART_SECONDS = 120
"""Restart time of a graceful restart (FRR's default, which MetalLB has too)."""

_MILLISECOND = 1000
_KERNEL_NAMES = {"HMACSHA1": "hmac(sha1)", "AES128CMAC": "cmac(aes128)"}
"""Of the algorithms of TCP-AO."""
_ROLES = {
    "Provider": Role.PROVIDER,
    "RouteServer": Role.ROUTE_SERVER,
    "RouteServerClient": Role.ROUTE_SERVER_CLIENT,
    "Customer": Role.CUSTOMER,
    "Peer": Role.PEER,
}
_AFI = {Family.IPV4: Afi.IPV4, Family.IPV6: Afi.IPV6}


class PeerFault(StrEnum):
    """Why this node has no session with a peer that is for it."""

    PASSWORD_NOT_FOUND = "PasswordSecretNotFound"
    NOBODY_DIALS = "NobodyDials"
    """The peer is passive for us, and we listen nowhere."""
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why not, in one word and in a sentence."""

    reason: PeerFault
    message: str


def router_id(peer: Peer, node: Node) -> int:
    """Give the router ID for a session (RFC 6286 §2.1: any number but 0)."""
    if peer.router_id is not None:
        return int(peer.router_id)
    own = next((item for item in node.addresses if isinstance(item, IPv4Address)), None)
    if own is not None:
        return int(own)
    return int.from_bytes(zlib.crc32(node.name.encode()).to_bytes(4, "little"), "big") or 1


def peer_config(
    peer: Peer, node: Node, password_of: Callable[[ObjectKey], bytes | None], defaults: BgpSettings
) -> PeerConfig | Fault:
    """Give what a session with a peer is to be like."""
    options = peer.options
    if options.is_passive and not defaults.listen_port:
        text = "the peer is to dial us, and bgp.listenPort is not set"
        return Fault(PeerFault.NOBODY_DIALS, text)
    password = peer.password.encode() or None
    if password is None and peer.password_secret is not None:
        password = password_of(peer.password_secret)
        if password is None:
            return _not_found(peer.password_secret)
    key = None
    if options.tcp_authentication is not None:
        secret = password_of(options.tcp_authentication.secret)
        if secret is None:
            return _not_found(options.tcp_authentication.secret)
        key = _tcp_ao_key(options.tcp_authentication, secret)
    config = PeerConfig(
        session=_session_config(peer, node, defaults),
        address=peer.address,
        port=peer.port,
        interface=peer.interface or None,
        source_address=peer.source_on(node.name),
        bind_interface=peer.vrf or None,
        multihop=peer.is_multi_hop or (peer.is_reached_far and not options.ttl_security_hops),
        ttl_security_hops=options.ttl_security_hops or None,
        password=password,
        tcp_ao=key,
        passive=options.is_passive,
        bfd=_bfd_mode(peer),
    )
    wrong = config.check()
    return config if wrong is None else Fault(PeerFault.INVALID, wrong)


def _not_found(secret: ObjectKey) -> Fault:
    return Fault(PeerFault.PASSWORD_NOT_FOUND, f"no Secret {secret} is there")


def _tcp_ao_key(said: TCPAuthentication, secret: bytes) -> TcpAoKey:
    return TcpAoKey(said.key_id, said.receive_key_id, secret, _KERNEL_NAMES[said.algorithm])


def _bfd_mode(peer: Peer) -> BfdMode:
    if peer.bfd is None:
        return BfdMode.OFF
    return BfdMode.STRICT if peer.options.is_bfd_strict else BfdMode.ON


def _session_config(peer: Peer, node: Node, defaults: BgpSettings) -> SessionConfig:
    timers, options = peer.timers, peer.options
    hold = defaults.hold_seconds if timers.hold is None else timers.hold
    keepalive = None if timers.keepalive is None else max(1, round(timers.keepalive))
    return SessionConfig(
        name=peer.name,
        my_asn=peer.my_asn,
        peer_asn=DynamicAsn(peer.dynamic_asn) if peer.dynamic_asn else peer.peer_asn,
        router_id=router_id(peer, node),
        local_asn=peer.local_asn or None,
        families=frozenset(_AFI[family] for family in peer.families),
        hold_seconds=hold,
        keepalive_seconds=keepalive if hold else None,
        connect_seconds=timers.connect or defaults.connect_seconds,
        graceful_restart_seconds=RESTART_SECONDS if peer.is_graceful_restart else None,
        long_lived_seconds=options.long_lived_restart_seconds or None,
        send_hold_seconds=options.send_hold_seconds or None,
        role=_ROLES.get(options.role),
        is_role_strict=options.is_role_strict,
        extended_link_bandwidth=options.is_extended_link_bandwidth,
    )


def bfd_config(
    peer: Peer, node: str, defaults: BgpSettings, found_at: IPAddress | None = None
) -> BFDConfig | None:
    """Give what a peer is watched by; None: it is not, or its address is not known yet.

    `found_at`: where a peer that is known by its interface alone was found.
    """
    timers, address = peer.bfd, peer.address or found_at
    if timers is None or address is None:
        return None
    is_multihop = peer.is_multi_hop or peer.options.ttl_security_hops > 1
    return BFDConfig(
        endpoint=Endpoint(
            peer_address=address,
            local_address=peer.source_on(node),
            interface=peer.interface,
            vrf=peer.vrf,
            is_multihop=is_multihop,
        ),
        receive_us=(timers.receive_interval or defaults.bfd_receive_milliseconds) * _MILLISECOND,
        transmit_us=(timers.transmit_interval or defaults.bfd_transmit_milliseconds) * _MILLISECOND,
        multiplier=timers.detect_multiplier or defaults.bfd_multiplier,
        is_echo=timers.is_echo and not is_multihop,
        echo_us=(timers.echo_interval or defaults.bfd_echo_milliseconds) * _MILLISECOND,
        is_passive=timers.is_passive,
        minimum_ttl=timers.minimum_ttl or 254,
    )
