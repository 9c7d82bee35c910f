"""BGPPeer, v1beta2 and v1beta1 (metallb.md §2, §4.2)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.bgp_peers import BGPPeer, Timers, read_bgp_peer
from metallb.api.meta import ObjectKey
from metallb.api.selectors import LabelSelector
from support.objects import native_object

A = {"matchLabels": {"a": "b"}}
LEAST: dict[str, Any] = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"}


def read(**spec: Any) -> BGPPeer:
    return read_bgp_peer(native_object("BGPPeer", "router", version="v1beta2", **LEAST | spec))


def test_a_whole_peer_is_read() -> None:
    found = read(
        localASN=4294967295,
        sourceAddress="192.0.2.9",
        peerPort=20_000,
        holdTime="1m30s",
        keepaliveTime="10s",
        connectTime="5s",
        routerID="192.0.2.9",
        nodeSelectors=[A],
        passwordSecret={"name": "word", "namespace": "metallb-system"},
        bfdProfile="fast",
        enableGracefulRestart=True,
        ebgpMultiHop=True,
        vrf="red",
        disableMP=True,
        dualStackAddressFamily=True,
    )
    assert found.problems == ()
    assert (found.name, found.is_usable) == ("router", True)
    assert (found.my_asn, found.peer_asn, found.local_asn) == (64512, 64513, 4294967295)
    assert found.address == ip_address("192.0.2.1")
    assert found.source_address == found.router_id == ip_address("192.0.2.9")
    assert found.port == 20_000
    assert found.timers == Timers(90, 10, 5)
    assert found.node_selectors == (LabelSelector.of({"a": "b"}),)
    assert found.password_secret == ObjectKey("metallb-system", "word")
    assert (found.bfd_profile, found.vrf) == ("fast", "red")
    assert (found.is_graceful_restart, found.is_multi_hop, found.is_dual_stack) == (True,) * 3
    assert found.reference().api_version == "metallb.io/v1beta2"


def test_defaults() -> None:
    found = read()
    assert found.port == 179
    assert found.timers == Timers()
    assert (found.password, found.password_secret, found.node_selectors) == ("", None, ())


def test_a_password_is_not_shown() -> None:
    found = read(password="secret")
    assert found.password == "secret"
    assert "secret" not in repr(found).replace("password_secret", "")


def test_the_older_version_is_read() -> None:
    older = native_object(
        "BGPPeer",
        "router",
        version="v1beta1",
        **LEAST,
        peerPort=0,
        holdTime="30s",
        nodeSelectors=[
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["c", "b"]}]}
        ],
    )
    found = read_bgp_peer(older)
    assert found.problems == ()
    assert found.port == 179
    assert found.timers == Timers(30, 10)
    assert found.node_selectors[0].matches({"a": "c"})


@pytest.mark.parametrize(
    ("row", "spec", "problem"),
    [
        ("myASN", {"myASN": 0}, "myASN: 0 is not within 1 to 4294967295"),
        ("myASN", {"myASN": None}, "myASN: our AS number is wanted"),
        ("peerASN", {"peerASN": 2**32}, "peerASN: 4294967296 is not within"),
        ("peerASN or dynamicASN", {"peerASN": 0}, "peerASN: exactly one of peerASN and dynamicASN"),
        ("peerASN or dynamicASN", {"dynamicASN": "internal"}, "peerASN: exactly one of peerASN"),
        ("dynamicASN", {"dynamicASN": "any"}, "dynamicASN: 'any' is not one of"),
        ("localASN", {"localASN": 0}, "localASN: 0 is not within 1 to"),
        ("peerAddress", {"peerAddress": "x"}, "peerAddress: 'x' is not an IPv4 or IPv6 address"),
        (
            "peerAddress or interface",
            {"peerAddress": ""},
            "peerAddress: exactly one of peerAddress",
        ),
        ("peerAddress or interface", {"interface": "eth0"}, "peerAddress: exactly one of"),
        ("sourceAddress", {"sourceAddress": "x"}, "sourceAddress: 'x' is not an IPv4"),
        ("peerPort", {"peerPort": 65_536}, "peerPort: 65536 is not within"),
        ("routerID", {"routerID": "x"}, "routerID: 'x' is not an IPv4"),
        ("nodeSelectors", {"nodeSelectors": [A, A]}, "nodeSelectors[1]: the same selector as"),
        (
            "password or passwordSecret",
            {"password": "a", "passwordSecret": {"name": "b"}},
            "password: only one of password and passwordSecret is wanted",
        ),
        (
            "ebgpMultiHop",
            {"ebgpMultiHop": True, "peerASN": 64512},
            "ebgpMultiHop: 64512 is our own AS",
        ),
        ("§7 disableMP skips nothing", {"disableMP": True, "myASN": 0}, "myASN: 0 is not within"),
        ("disableMP", {"disableMP": "no"}, "disableMP: true or false is wanted"),
        ("connectTime", {"connectTime": "1500ms"}, "connectTime: whole seconds from 1s to 65535s"),
        ("connectTime", {"connectTime": "0s"}, "connectTime: whole seconds"),
        (
            "§4.2 hold",
            {"holdTime": "2s"},
            "holdTime: the hold time would be 2 s; it is 0, or from 3",
        ),
        ("§4.2 hold", {"holdTime": "-3s"}, "holdTime: the hold time would be -3 s"),
        ("§4.2 hold", {"holdTime": "65536s"}, "holdTime: the hold time would be 65536 s"),
        ("§4.2 hold", {"holdTime": "90"}, "holdTime: '90' is not a duration"),
        ("§4.2 keepalive", {"keepaliveTime": "-1s"}, "keepaliveTime: '-1s' is below 0"),
        ("§4.2 keepalive", {"keepaliveTime": "500ms"}, "keepaliveTime: the hold time would be 1 s"),
        (
            "§4.2 keepalive",
            {"holdTime": "9s", "keepaliveTime": "10s"},
            "keepaliveTime: it is longer than the hold time of 9 s",
        ),
    ],
)
def test_what_is_wrong_is_named(row: str, spec: dict[str, Any], problem: str) -> None:
    found = read(**spec)
    assert f".spec.{problem}" in str(found.problems[0]), row
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    ("hold", "keepalive", "timers"),
    [
        ("90s", None, Timers(90, 30)),
        (None, "10s", Timers(30, 10)),
        ("9s", "9s", Timers(9, 9)),
        ("3.9s", None, Timers(3, 1.3)),
        ("500ms", None, Timers(0, 0)),
        ("0s", None, Timers(0, 0)),
        ("0s", "0s", Timers(0, 0)),
        (None, "0s", Timers(0, 0)),
        ("180s", "60s", Timers(180, 60)),
        ("9s", "10s", Timers(9, 3)),
        ("2s", "1s", Timers()),
    ],
)
def test_one_timer_follows_from_the_other(
    hold: str | None, keepalive: str | None, timers: Timers
) -> None:
    """metallb.md §4.2."""
    assert read(holdTime=hold, keepaliveTime=keepalive).timers == timers


@pytest.mark.parametrize("spec", [{"peerASN": None}, {"peerAddress": "x"}, {"myASN": "a"}])
def test_a_peer_that_says_too_little_is_of_no_use(spec: dict[str, Any]) -> None:
    assert not read(**spec).is_usable


def test_a_peer_on_an_interface_of_any_as() -> None:
    found = read(peerASN=None, dynamicASN="external", peerAddress=None, interface="eth0")
    assert found.is_usable
    assert found.problems == ()
