"""From peers of objects to what sockets need."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from metallb.api.bfd_profiles import BFDTimers
from metallb.api.bgp_peers import Timers
from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import Node
from metallb.api.session_options import ALGORITHMS, ROLES, SessionOptions, TCPAuthentication
from metallb.domain.peers import Peer
from metallb_speaker.bfd.config import Endpoint
from metallb_speaker.bgp.config import DynamicAsn
from metallb_speaker.bgp.iana import Afi, Role
from metallb_speaker.peering.config import BfdMode, PeerConfig
from metallb_speaker.policy.peers import Fault, PeerFault, bfd_config, peer_config, router_id
from metallb_speaker.settings import BgpSettings

DEFAULTS = BgpSettings(hold_seconds=60, connect_seconds=7)
TOR = ip_address("10.0.0.1")


def node(*addresses: str) -> Node:
    meta = Metadata(ObjectKey("", "n1"), "", "", 0, "", False)
    found = tuple(map(ip_address, addresses))
    return Node(meta, {}, is_ready=True, is_network_available=True, addresses=found)


NODE = node("fd00::11", "10.0.0.11")


def peer(**said: Any) -> Peer:
    usual: dict[str, Any] = {
        "name": "tor", "of": ("BGPPeer", ObjectKey("m", "tor")), "my_asn": 65001,
        "peer_asn": 65002, "address": TOR,
    }  # fmt: skip
    return Peer(**{**usual, **said})


def nowhere(secret: ObjectKey) -> bytes | None:
    return None


def config(**said: Any) -> PeerConfig:
    found = peer_config(peer(**said), NODE, nowhere, DEFAULTS)
    assert isinstance(found, PeerConfig)
    return found


def test_what_is_not_said_has_the_defaults_of_the_settings() -> None:
    found = config()
    assert (found.address, found.port, found.password) == (TOR, 179, None)
    assert (found.bfd, found.multihop, found.bind_interface) == (BfdMode.OFF, False, None)
    session = found.session
    assert (session.my_asn, session.peer_asn, session.local_asn) == (65001, 65002, None)
    assert (session.hold_seconds, session.keepalive_seconds) == (60, None)
    assert session.connect_seconds == 7
    assert session.families == {Afi.IPV4}
    assert session.graceful_restart_seconds is None


def test_what_is_said_is_taken_over() -> None:
    found = config(
        peer_asn=0, dynamic_asn="external", local_asn=65009, timers=Timers(9, 2.6, 4),
        interface="eth0", vrf="red", port=1790, is_dual_stack=True, is_graceful_restart=True,
        is_multi_hop=True, node_sources=(("n1", ip_address("10.0.0.12")),), bfd=BFDTimers(),
    )  # fmt: skip
    assert (found.interface, found.bind_interface, found.port) == ("eth0", "red", 1790)
    assert (found.source_address, found.multihop) == (ip_address("10.0.0.12"), True)
    assert found.bfd is BfdMode.ON
    session = found.session
    assert (session.peer_asn, session.local_asn) == (DynamicAsn.EXTERNAL, 65009)
    assert (session.hold_seconds, session.keepalive_seconds, session.connect_seconds) == (9, 3, 4)
    assert session.families == {Afi.IPV4, Afi.IPV6}
    assert session.graceful_restart_seconds == 120


def test_options_beyond_metallbs_reach_sockets_and_session() -> None:
    options = SessionOptions(
        ttl_security_hops=2, is_passive=True, role="Customer", is_role_strict=True,
        long_lived_restart_seconds=3600, send_hold_seconds=480, is_bfd_strict=True,
        is_extended_link_bandwidth=True,
    )  # fmt: skip
    said = peer(options=options, bfd=BFDTimers(is_echo=True), is_graceful_restart=True)
    listening = replace(DEFAULTS, listen_port=179)
    found = peer_config(said, NODE, nowhere, listening)
    assert isinstance(found, PeerConfig)
    assert (found.ttl_security_hops, found.passive, found.bfd) == (2, True, BfdMode.STRICT)
    session = found.session
    assert (session.role, session.is_role_strict) == (Role.CUSTOMER, True)
    assert (session.long_lived_seconds, session.send_hold_seconds) == (3600, 480)
    assert session.extended_link_bandwidth
    watched = bfd_config(said, "n1", listening)
    assert watched is not None
    assert (watched.endpoint.is_multihop, watched.is_echo) == (True, False)


def test_every_role_that_can_be_said_is_one() -> None:
    found = [config(options=SessionOptions(role=word)).session.role for word in ROLES]
    assert set(found) == set(Role)


def test_a_passive_peer_without_a_port_is_a_fault() -> None:
    found = peer_config(peer(options=SessionOptions(is_passive=True)), NODE, nowhere, DEFAULTS)
    assert isinstance(found, Fault)
    assert (found.reason, "bgp.listenPort" in found.message) == (PeerFault.NOBODY_DIALS, True)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_tcp_ao_is_in_a_secret_or_there_is_no_session(algorithm: str) -> None:
    key = TCPAuthentication(ObjectKey("m", "k"), 7, 8, algorithm)
    said = peer(options=SessionOptions(tcp_authentication=key))
    found = peer_config(said, NODE, {ObjectKey("m", "k"): b"hidden"}.get, DEFAULTS)
    assert isinstance(found, PeerConfig)
    assert found.tcp_ao is not None
    assert (found.tcp_ao.send_id, found.tcp_ao.receive_id, found.tcp_ao.key) == (7, 8, b"hidden")
    assert found.tcp_ao.algorithm in ("hmac(sha1)", "cmac(aes128)")
    assert "hidden" not in repr(found)
    lacking = peer_config(said, NODE, nowhere, DEFAULTS)
    assert lacking == Fault(PeerFault.PASSWORD_NOT_FOUND, "no Secret m/k is there")


@pytest.mark.parametrize(
    ("timers", "hold", "keepalive"),
    [(Timers(0, 0), 0, None), (Timers(3, 0.2), 3, 1), (Timers(180, 60), 180, 60)],
)
def test_timers_are_whole_seconds(timers: Timers, hold: int, keepalive: int | None) -> None:
    session = config(timers=timers).session
    assert (session.hold_seconds, session.keepalive_seconds) == (hold, keepalive)


def test_a_session_may_cross_routers_where_deckhouses_always_could() -> None:
    assert config(is_reached_far=True).multihop
    secured = config(is_reached_far=True, options=SessionOptions(ttl_security_hops=1))
    assert not secured.multihop
    watched = bfd_config(peer(is_reached_far=True, bfd=BFDTimers()), "n1", DEFAULTS)
    assert watched is not None
    assert not watched.endpoint.is_multihop


def test_a_router_id_is_said_or_is_the_nodes_address_or_made_of_its_name() -> None:
    assert router_id(peer(router_id=ip_address("192.0.2.1")), NODE) == 0xC0000201
    assert router_id(peer(), NODE) == int(IPv4Address("10.0.0.11"))
    made = router_id(peer(), node("fd00::11"))
    assert made == 0xEC5479EB, "CRC-32 of the name is EB7954EC: little endian"


def test_a_password_is_said_or_is_in_a_secret_or_there_is_no_session() -> None:
    assert config(password="s3cret").password == b"s3cret"
    named = peer(password_secret=ObjectKey("m", "s"))
    found = peer_config(named, NODE, {ObjectKey("m", "s"): b"hidden"}.get, DEFAULTS)
    assert isinstance(found, PeerConfig)
    assert found.password == b"hidden"
    assert "hidden" not in repr(found)
    lacking = peer_config(named, NODE, nowhere, DEFAULTS)
    assert lacking == Fault(PeerFault.PASSWORD_NOT_FOUND, "no Secret m/s is there")


def test_what_cannot_be_is_a_fault() -> None:
    found = peer_config(peer(password="x" * 81), NODE, nowhere, DEFAULTS)
    assert isinstance(found, Fault)
    assert found.reason is PeerFault.INVALID
    assert "80 bytes" in found.message


def test_bfd_has_the_profiles_timers_and_the_settings_for_the_rest() -> None:
    assert bfd_config(peer(), "n1", DEFAULTS) is None
    unnumbered = peer(bfd=BFDTimers(), address=None, interface="eth0")
    assert bfd_config(unnumbered, "n1", DEFAULTS) is None
    there = bfd_config(unnumbered, "n1", DEFAULTS, ip_address("fe80::1"))
    assert there is not None
    assert there.endpoint == Endpoint(ip_address("fe80::1"), interface="eth0")
    found = bfd_config(peer(bfd=BFDTimers(receive_interval=50, is_echo=True)), "n1", DEFAULTS)
    assert found is not None
    assert found.endpoint == Endpoint(TOR)
    assert (found.receive_us, found.transmit_us, found.multiplier) == (50_000, 300_000, 3)
    assert (found.is_echo, found.echo_us, found.minimum_ttl) == (True, 50_000, 254)
    far = bfd_config(
        peer(
            bfd=BFDTimers(20, 30, 5, 40, is_echo=True, is_passive=True, minimum_ttl=250),
            is_multi_hop=True, vrf="red", interface="eth0", source_address=ip_address("10.0.0.9"),
        ),
        "n1", DEFAULTS,
    )  # fmt: skip
    assert far is not None
    assert far.endpoint == Endpoint(TOR, ip_address("10.0.0.9"), "eth0", "red", is_multihop=True)
    assert (far.receive_us, far.transmit_us, far.multiplier) == (20_000, 30_000, 5)
    assert (far.is_echo, far.is_passive, far.minimum_ttl) == (False, True, 250)
