"""Options of sessions beyond MetalLB's, in peers of both dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.bgp_peers import read_bgp_peer
from metallb.api.load_balancer_peers import read_load_balancer_peer
from metallb.api.meta import ObjectKey
from metallb.api.session_options import SessionOptions, TCPAuthentication
from support.objects import metal_object, native_object

if TYPE_CHECKING:
    from metallb.api.fields import Problem

LEAST: dict[str, Any] = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"}
BFD: dict[str, dict[str, Any]] = {
    "BGPPeer": {"bfdProfile": "fast"},
    "MetalLoadBalancerBGPPeer": {"bfd": {}},
}
KEY = {"keyID": 7, "secretRef": {"name": "key", "namespace": "net"}}
dialects = pytest.mark.parametrize("kind", BFD)


def read(kind: str, **spec: Any) -> tuple[SessionOptions, tuple[Problem, ...]]:
    if kind == "BGPPeer":
        native = read_bgp_peer(native_object(kind, "tor", version="v1beta2", **LEAST | spec))
        return native.options, native.problems
    ours = read_load_balancer_peer(metal_object(kind, "tor", **LEAST | spec))
    return ours.options, ours.problems


@dialects
def test_all_of_them_are_read(kind: str) -> None:
    options, problems = read(
        kind, ttlSecurityHops=254, passive=True, role="RouteServerClient", strictRole=True,
        enableGracefulRestart=True, longLivedRestartTime="1h", sendHoldTime="8m",
        bfdStrict=True, extendedLinkBandwidth=True,
        tcpAuthentication={**KEY, "algorithm": "AES128CMAC", "receiveKeyID": 8},
        **BFD[kind],
    )  # fmt: skip
    assert problems == ()
    key = TCPAuthentication(ObjectKey("net", "key"), 7, 8, "AES128CMAC")
    assert options == SessionOptions(
        254, True, "RouteServerClient", True, 3600, 480, True, True, key
    )


@dialects
def test_none_of_them_is_said(kind: str) -> None:
    assert read(kind) == (SessionOptions(), ())


@dialects
def test_one_id_is_used_both_ways_if_no_other_is_said(kind: str) -> None:
    key = read(kind, tcpAuthentication=KEY)[0].tcp_authentication
    assert key is not None
    assert (key.key_id, key.receive_key_id, key.algorithm) == (7, 7, "HMACSHA1")


def test_a_secret_of_no_namespace_is_in_that_of_metallbs_peer_and_of_no_other() -> None:
    said = {"keyID": 7, "secretRef": {"name": "key"}}
    key = read("BGPPeer", tcpAuthentication=said)[0].tcp_authentication
    assert key is not None
    assert key.secret == ObjectKey("metallb-system", "key")
    _, [problem] = read("MetalLoadBalancerBGPPeer", tcpAuthentication=said)
    assert str(problem) == ".spec.tcpAuthentication.secretRef.namespace: is wanted"


@dialects
@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"ttlSecurityHops": 255}, "ttlSecurityHops: 255 is not within 1 to 254"),
        ({"passive": 1}, "passive: true or false is wanted"),
        ({"role": "Friend"}, "role: 'Friend' is not one of"),
        ({"role": "Peer", "peerASN": 64512}, "role: roles are between ASes"),
        ({"strictRole": True}, "strictRole: a role is wanted with it"),
        ({"longLivedRestartTime": "1h"}, "longLivedRestartTime: enableGracefulRestart is wanted"),
        ({"longLivedRestartTime": "0s"}, "longLivedRestartTime: whole seconds from 1s to 16777215"),
        ({"sendHoldTime": "1500ms"}, "sendHoldTime: whole seconds from 1s to 65535s"),
        ({"sendHoldTime": "65536s"}, "sendHoldTime: whole seconds from 1s to 65535s"),
        ({"sendHoldTime": "soon"}, "sendHoldTime: 'soon' is not a duration"),
        ({"bfdStrict": True}, "bfdStrict: the peer is not watched by BFD"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_left_out(kind: str, spec: dict[str, Any], problem: str) -> None:
    options, problems = read(kind, **spec)
    assert len(problems) == 1
    assert str(problems[0]).startswith(f".spec.{problem}")
    assert options == SessionOptions()


def test_how_far_a_peer_is_is_said_once() -> None:
    options, [problem] = read("BGPPeer", ttlSecurityHops=1, ebgpMultiHop=True)
    assert str(problem).startswith(".spec.ttlSecurityHops: ")
    assert options == SessionOptions()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("BGPPeer", {"password": "a"}),
        ("BGPPeer", {"passwordSecret": {"name": "a"}}),
        ("MetalLoadBalancerBGPPeer", {"passwordSecretRef": {"name": "a", "namespace": "b"}}),
    ],
)
def test_a_key_beside_a_password_is_noted_and_kept(kind: str, spec: dict[str, Any]) -> None:
    """Without it the session would be open to others."""
    options, [problem] = read(kind, tcpAuthentication=KEY, **spec)
    assert str(problem).startswith(".spec.tcpAuthentication: ")
    assert options.tcp_authentication is not None


@dialects
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"keyID": 7}, "tcpAuthentication.secretRef.name: is wanted"),
        ({**KEY, "keyID": 256}, "tcpAuthentication.keyID: 256 is not within 0 to 255"),
        ({**KEY, "algorithm": "MD5"}, "tcpAuthentication.algorithm: 'MD5' is not one of"),
    ],
)
def test_what_is_wrong_in_a_key_is_named(kind: str, said: dict[str, Any], problem: str) -> None:
    _, problems = read(kind, tcpAuthentication=said)
    assert str(problems[0]).startswith(f".spec.{problem}")
