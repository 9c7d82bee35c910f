"""Peers of both dialects in one model."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.api.bfd_profiles import read_bfd_profile
from metallb.api.bgp_peers import read_bgp_peer
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_peers import read_load_balancer_peer
from metallb.api.meta import ObjectKey
from metallb.domain.peers import BOTH_FAMILIES, PeerTranslation, translate_peers
from metallb.net.addresses import Family


def an_object(name: str, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "uid": name}, "spec": spec}


def native(name: str = "tor", **spec: Any) -> dict[str, Any]:
    said = {"myASN": 65001, "peerASN": 65002, "peerAddress": "10.0.0.1", **spec}
    return an_object(name, {key: value for key, value in said.items() if value is not None}, "m")


def deckhouse(name: str = "tor", **spec: Any) -> dict[str, Any]:
    return an_object(name, {"myASN": 65001, "peerASN": 65002, "peerAddress": "10.0.0.1", **spec})


def configuration(name: str, *peers: str, **spec: Any) -> dict[str, Any]:
    return an_object(name, {"mode": "BGP", "bgp": {"peerNames": list(peers)}, **spec})


def translated(
    *native_peers: dict[str, Any],
    profiles: tuple[dict[str, Any], ...] = (),
    peers: tuple[dict[str, Any], ...] = (),
    configurations: tuple[dict[str, Any], ...] = (),
) -> PeerTranslation:
    return translate_peers(
        native_peers=map(read_bgp_peer, native_peers),
        profiles=map(read_bfd_profile, profiles),
        peers=map(read_load_balancer_peer, peers),
        configurations=map(read_load_balancer_configuration, configurations),
    )


def test_a_native_peer_says_all_that_a_session_needs() -> None:
    found = translated(
        native(
            localASN=65009, peerPort=1790, sourceAddress="10.0.0.7", holdTime="30s",
            routerID="10.0.0.9", bfdProfile="fast", enableGracefulRestart=True, ebgpMultiHop=True,
            vrf="red", nodeSelectors=[{"matchLabels": {"rack": "a"}}],
            passwordSecret={"name": "tor-password"},
        ),
        profiles=(an_object("fast", {"receiveInterval": 50}, "m"),),
    )  # fmt: skip
    peer = found.peers["tor"]
    assert found.problems == {}
    assert (peer.my_asn, peer.peer_asn, peer.local_asn) == (65001, 65002, 65009)
    assert (peer.address, peer.port, peer.vrf) == (ip_address("10.0.0.1"), 1790, "red")
    assert peer.source_on("n1") == ip_address("10.0.0.7")
    assert (peer.timers.hold, peer.router_id) == (30, ip_address("10.0.0.9"))
    assert peer.bfd is not None
    assert peer.bfd.receive_interval == 50
    assert (peer.is_graceful_restart, peer.is_multi_hop) == (True, True)
    assert peer.password_secret == ObjectKey("m", "tor-password")
    assert peer.runs_on({"rack": "a"})
    assert not peer.runs_on({"rack": "b"})


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({}, {Family.IPV4}),
        ({"peerAddress": "fd00::1"}, {Family.IPV6}),
        ({"dualStackAddressFamily": True}, BOTH_FAMILIES),
        ({"peerAddress": None, "interface": "eth0"}, BOTH_FAMILIES),
    ],
)
def test_families_follow_from_the_address(spec: dict[str, Any], families: set[Family]) -> None:
    assert translated(native(**spec)).peers["tor"].families == families


def test_a_dynamic_asn_stands_in_for_the_number() -> None:
    peer = translated(native(peerASN=0, dynamicASN="external")).peers["tor"]
    assert (peer.peer_asn, peer.dynamic_asn) == (0, "external")


def test_a_peer_that_says_too_little_is_left_out_and_the_rest_goes_on() -> None:
    found = translated(native("half", peerAddress=None), native("whole"))
    assert set(found.peers) == {"whole"}
    assert found.problems["BGPPeer", ObjectKey("m", "half")]


def test_a_secret_may_be_elsewhere() -> None:
    peer = translated(native(passwordSecret={"name": "s", "namespace": "other"})).peers["tor"]
    assert peer.password_secret == ObjectKey("other", "s")


def test_a_profile_that_is_not_there_leaves_the_peer_unwatched() -> None:
    found = translated(native(bfdProfile="fast"))
    assert found.peers["tor"].bfd is None
    assert "no BFDProfile has the name 'fast'" in str(
        found.problems["BGPPeer", ObjectKey("m", "tor")]
    )


def test_a_password_is_in_no_text() -> None:
    peer = translated(native(password="very-secret")).peers["tor"]
    assert peer.password == "very-secret"
    assert "very-secret" not in repr(peer)


def test_each_configuration_has_sessions_of_its_own() -> None:
    found = translated(
        peers=(
            deckhouse(
                sourceAddresses=[{"nodeName": "n1", "address": "10.0.0.11"}], bfd={},
                passwordSecretRef={"name": "secret", "namespace": "users"},
            ),
        ),
        configurations=(
            configuration("one", "tor", nodeSelector={"rack": "a"}),
            configuration("two", "tor"),
        ),
    )  # fmt: skip
    assert list(found.peers) == ["tor-one", "tor-two"]
    one, two = found.peers.values()
    assert one.source_on("n1") == ip_address("10.0.0.11")
    assert one.source_on("n2") is None
    assert one.bfd is not None
    assert one.password_secret == ObjectKey("users", "secret")
    assert one.runs_on({"rack": "a"})
    assert not one.runs_on({})
    assert two.runs_on({})


def test_a_configuration_that_names_what_is_not_there_says_so() -> None:
    found = translated(
        peers=(deckhouse(),), configurations=(configuration("one", "nobody", "tor"),)
    )
    assert list(found.peers) == ["tor-one"]
    (problem,) = found.problems["MetalLoadBalancerConfiguration", ObjectKey("", "one")]
    assert problem.path == ".spec.bgp.peerNames[0]"


def test_peers_and_configurations_that_are_none_of_bgp_are_left_out() -> None:
    found = translated(
        peers=(deckhouse(), an_object("half", {})),
        configurations=(configuration("one", "half"), configuration("two", "tor", mode="L2")),
    )
    assert found.peers == {}


def test_of_two_peers_of_one_name_the_native_one_holds() -> None:
    found = translated(
        native("tor-one"), peers=(deckhouse(),), configurations=(configuration("one", "tor"),)
    )
    assert found.peers["tor-one"].of == ("BGPPeer", ObjectKey("m", "tor-one"))
    (problem,) = found.problems["MetalLoadBalancerConfiguration", ObjectKey("", "one")]
    assert problem.message == "BGPPeer tor-one has a peer 'tor-one' already"


# -- equal intent, equal sessions ------------------------------------------------------------------

DURATIONS = st.sampled_from(["3s", "30s", "90s", "3m", "0s"])
INTENTS = st.fixed_dictionaries(
    {"myASN": st.integers(1, 2**32 - 1), "peerASN": st.integers(1, 2**32 - 1)},
    optional={
        "peerPort": st.integers(1, 65_535),
        "holdTime": DURATIONS,
        "routerID": st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    },
)
TIMERS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "receiveInterval": st.integers(10, 60_000),
            "transmitInterval": st.integers(10, 60_000),
            "detectMultiplier": st.integers(2, 255),
            "echoInterval": st.integers(10, 60_000),
            "echoMode": st.booleans(),
            "passiveMode": st.booleans(),
        },
    ),
)
LABELS = st.dictionaries(st.sampled_from(["rack", "role"]), st.sampled_from(["a", "b"]))


@given(
    INTENTS, TIMERS, LABELS, st.sampled_from(["10.0.0.1", "fd00::1"]),
    st.one_of(st.none(), st.just("secret")),
)  # fmt: skip
def test_both_dialects_make_equal_sessions_of_equal_intent(
    said: dict[str, Any],
    bfd: dict[str, Any] | None,
    labels: dict[str, str],
    address: str,
    secret: str | None,
) -> None:
    rest: dict[str, Any] = {"peerAddress": address, **said}
    selectors = [{"matchLabels": labels}] if labels else []
    of_native: dict[str, Any] = {"nodeSelectors": selectors}
    of_ours: dict[str, Any] = {}
    if bfd is not None:
        of_native["bfdProfile"], of_ours["bfd"] = "timers", bfd
    if secret is not None:
        of_native["passwordSecret"] = {"name": secret, "namespace": "users"}
        of_ours["passwordSecretRef"] = {"name": secret, "namespace": "users"}
    one = translated(
        an_object("tor", {**rest, **of_native}, "m"),
        profiles=(an_object("timers", bfd or {}, "m"),),
    )
    other = translated(
        peers=(an_object("tor", {**rest, **of_ours}),),
        configurations=(configuration("c", "tor", nodeSelector=labels),),
    )
    assert one.problems == other.problems == {}
    alike: dict[str, Any] = {
        "name": "", "of": ("", ObjectKey("", "")), "is_reached_far": False,
    }  # fmt: skip
    assert other.peers["tor-c"].is_reached_far, "Deckhouse's speaker limits no TTL"
    assert replace(one.peers["tor"], **alike) == replace(other.peers["tor-c"], **alike)
