"""MetalLoadBalancerBGPPeer (deckhouse-metallb.md §1.3)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.bfd_profiles import BFDTimers
from metallb.api.bgp_peers import Timers
from metallb.api.load_balancer_peers import (
    MetalLoadBalancerBGPPeer,
    SourceAddress,
    read_load_balancer_peer,
)
from metallb.api.meta import ObjectKey
from support.objects import metal_object

LEAST: dict[str, Any] = {"peerAddress": "192.0.2.1", "peerASN": 64513, "myASN": 64512}


def read(**spec: Any) -> MetalLoadBalancerBGPPeer:
    return read_load_balancer_peer(metal_object("MetalLoadBalancerBGPPeer", "r1", **LEAST | spec))


def test_a_whole_peer_is_read() -> None:
    found = read(
        peerPort=65_535,
        routerID="192.0.2.9",
        holdTime="1m30s",
        passwordSecretRef={"name": "word", "namespace": "d8-system"},
        sourceAddresses=[{"nodeName": "a", "address": "192.0.2.8"}],
        bfd={"receiveInterval": 300, "detectMultiplier": 1, "minimumTTL": 255, "echoMode": True},
    )
    assert found.problems == ()
    assert (found.name, found.is_usable) == ("r1", True)
    assert (found.peer_asn, found.my_asn, found.port) == (64513, 64512, 65_535)
    assert (found.address, found.router_id) == (ip_address("192.0.2.1"), ip_address("192.0.2.9"))
    assert found.timers == Timers(90, 30)
    assert found.password_secret == ObjectKey("d8-system", "word")
    assert found.source_addresses == (SourceAddress("a", ip_address("192.0.2.8")),)
    assert found.bfd == BFDTimers(300, 0, 1, 0, True, False, 255)
    assert found.reference().kind == "MetalLoadBalancerBGPPeer"


def test_defaults() -> None:
    found = read()
    assert (found.port, found.timers, found.router_id) == (179, Timers(), None)
    assert (found.password_secret, found.source_addresses, found.bfd) == (None, (), None)


SOURCE = {"nodeName": "a", "address": "192.0.2.8"}


@pytest.mark.parametrize(
    ("row", "spec", "problem"),
    [
        ("peerAddress", {"peerAddress": None}, "peerAddress: is wanted"),
        ("peerAddress", {"peerAddress": "x"}, "peerAddress: 'x' is not an IPv4 or IPv6 address"),
        ("peerASN", {"peerASN": 0}, "peerASN: 0 is not within 1 to 4294967295"),
        ("myASN", {"myASN": None}, "myASN: is wanted"),
        ("peerPort", {"peerPort": 0}, "peerPort: 0 is not within 1 to 65535"),
        ("routerID", {"routerID": "fd00::1"}, "routerID: fd00::1 is not an IPv4 address"),
        ("holdTime", {"holdTime": "2s"}, "holdTime: the hold time would be 2 s"),
        ("secret", {"passwordSecretRef": {"name": "a"}}, "passwordSecretRef.namespace: is wanted"),
        (
            "node",
            {"sourceAddresses": [{"address": "192.0.2.8"}]},
            "sourceAddresses[0].nodeName: the",
        ),
        (
            "address",
            {"sourceAddresses": [{"nodeName": "a"}]},
            "sourceAddresses[0].address: an addr",
        ),
        ("address", {"sourceAddresses": [SOURCE | {"address": "x"}]}, "sourceAddresses[0].address"),
        (
            "family",
            {"sourceAddresses": [SOURCE | {"address": "fd00::1"}]},
            "sourceAddresses[0].address: fd00::1 is not IPv4, as the peer is",
        ),
        (
            "twice",
            {"sourceAddresses": [SOURCE, SOURCE]},
            "sourceAddresses[1].nodeName: node a has a source address already",
        ),
        ("bfd", {"bfd": {"minimumTTL": 256}}, "bfd.minimumTTL: 256 is not within 1 to 255"),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], problem: str) -> None:
    found = read(**spec)
    assert str(found.problems[0]).startswith(f".spec.{problem}"), row
    assert len(found.problems) == 1


def test_a_peer_without_an_address_is_of_no_use() -> None:
    assert not read(peerAddress="x").is_usable
