"""Metrics of BGP: MetalLB's names, and one series for each address of a peer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from metallb_speaker.policy.bgp_metrics import BgpMetrics
from metallb_speaker.policy.peers import Fault, PeerFault
from metallb_speaker.routes.table import RouteTable
from support.registries import VIP, peer, peer_status, speaking

TOR = ("10.0.0.1:179", "")


def found(bgp: Any) -> dict[str, dict[tuple[str, ...], float]]:
    """Give the series by name and labels."""
    return {
        sample.name: {
            tuple(s.labels.values()): s.value for s in family.samples if s.name == sample.name
        }
        for family in BgpMetrics(bgp).metrics()
        for sample in family.samples
    }


def test_a_session_has_its_state_its_prefixes_and_its_messages() -> None:
    assert found(speaking()) == {
        "metallb_bgp_session_up": {TOR: 1, ("[fd00::1]:179", "red"): 0},
        "metallb_bgp_announced_prefixes_total": {TOR: 2},
        "metallb_bgp_pending_prefixes_total": {TOR: 1},
        "metallb_bgp_session_refused": {("[fd00::1]:179", "red", "Invalid"): 1},
        "metallb_bgp_silent_vips": {("noEndpoints",): 1},
        "metallb_bgp_updates_total": {TOR: 2},
        "metallb_bgp_opens_sent": {TOR: 1},
        "metallb_bgp_opens_received": {TOR: 2},
        "metallb_bgp_notifications_sent": {TOR: 3},
        "metallb_bgp_updates_total_received": {TOR: 4},
        "metallb_bgp_keepalives_sent": {TOR: 4},
        "metallb_bgp_keepalives_received": {TOR: 8},
        "metallb_bgp_route_refresh_sent": {TOR: 5},
        "metallb_bgp_total_sent": {TOR: 15},
        "metallb_bgp_total_received": {TOR: 30},
    }


def bgp(*statuses: Any, faults: Any = None, **peers: Any) -> Any:
    return SimpleNamespace(
        peers=peers,
        faults=faults or {},
        statuses=lambda: {item.name: item for item in statuses},
        table=RouteTable(),
    )


def test_peers_of_one_address_have_one_series_which_tells_of_the_worst() -> None:
    """A scrape with two series of the same labels would be refused whole."""
    one, two = peer_status("one"), peer_status("two", is_up=False)
    series = found(bgp(one, two, one=peer("one"), two=peer("two")))
    assert series["metallb_bgp_session_up"] == {TOR: 0}
    assert series["metallb_bgp_announced_prefixes_total"] == {TOR: 2}
    assert series["metallb_bgp_pending_prefixes_total"] == {TOR: 2}
    assert series["metallb_bgp_total_sent"] == {TOR: 30}


def test_one_of_them_that_is_refused_has_a_series_of_its_own() -> None:
    fault = Fault(PeerFault.PASSWORD_NOT_FOUND, "no Secret a/b is there")
    faults = {"two": fault, "three": fault, "gone": fault}
    given = bgp(
        peer_status("one"), faults=faults, one=peer("one"), two=peer("two"), three=peer("three")
    )
    series = found(given)
    assert series["metallb_bgp_session_up"] == {TOR: 1}
    assert series["metallb_bgp_session_refused"] == {(*TOR, "PasswordSecretNotFound"): 1}


def test_a_peer_on_an_interface_is_known_by_it() -> None:
    given = bgp(peer_status("a", address=None), a=peer("a", address=None, interface="eth1"))
    assert found(given)["metallb_bgp_session_up"] == {("eth1:179", ""): 1}


def test_a_session_of_a_peer_that_is_no_more_is_left_out() -> None:
    assert found(bgp(peer_status("gone"))) == {}


def test_an_address_is_announced_where_something_is_said_of_it() -> None:
    given = speaking()
    assert list(BgpMetrics(given).announced()) == [VIP]
    assert found(given)["metallb_bgp_silent_vips"] == {("noEndpoints",): 1}
