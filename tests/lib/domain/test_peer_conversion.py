"""BGPPeer between v1beta1 and v1beta2 (metallb.md §2, §8.2.17): nothing is lost either way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from metallb.domain.peer_conversion import (
    ANNOTATION,
    NEW,
    OLD,
    ConversionError,
    convert_peer,
)

COMMON: dict[str, Any] = {
    "myASN": 64512,
    "peerASN": 64513,
    "peerAddress": "192.0.2.1",
    "sourceAddress": "192.0.2.9",
    "peerPort": 1179,
    "holdTime": "90s",
    "keepaliveTime": "30s",
    "routerID": "192.0.2.9",
    "nodeSelectors": [{"matchLabels": {"rack": "a"}}],
    "password": "secret",
    "bfdProfile": "fast",
    "ebgpMultiHop": True,
}
NEWER: dict[str, Any] = {
    "dynamicASN": "external",
    "localASN": 64600,
    "interface": "eth0",
    "connectTime": "10s",
    "passwordSecret": {"name": "p"},
    "vrf": "red",
    "enableGracefulRestart": False,
    "disableMP": True,
    "dualStackAddressFamily": True,
    "ttlSecurityHops": 1,
    "passive": True,
    "role": "Peer",
    "strictRole": True,
    "longLivedRestartTime": "1h",
    "sendHoldTime": "8m",
    "bfdStrict": True,
    "extendedLinkBandwidth": True,
    "tcpAuthentication": {"keyID": 1, "secretRef": {"name": "key"}},
}


def peer(version: str, spec: Any, **annotations: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "r", "namespace": "metallb-system", "uid": "u-1"}
    if annotations:
        meta["annotations"] = annotations
    return {"apiVersion": version, "kind": "BGPPeer", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(("there", "back"), [(OLD, NEW), (NEW, OLD)])
def test_common_fields_pass_both_ways_as_they_are(there: str, back: str) -> None:
    before = peer(there, COMMON, note="mine")
    assert convert_peer(before, back) == peer(back, COMMON, note="mine")
    assert convert_peer(convert_peer(before, back), there) == before


@pytest.mark.parametrize("field", sorted(NEWER))
def test_what_only_v1beta2_has_survives_a_client_of_v1beta1(field: str) -> None:
    before = peer(NEW, {"myASN": 64512, field: NEWER[field]})
    shown = convert_peer(before, OLD)
    assert shown["spec"] == {"myASN": 64512}
    assert json.loads(shown["metadata"]["annotations"][ANNOTATION]) == {field: NEWER[field]}
    shown["metadata"]["annotations"]["note"] = "edited"
    assert convert_peer(shown, NEW) == peer(NEW, before["spec"], note="edited")


def test_defaults_of_v1beta2_need_not_be_kept() -> None:
    before = peer(NEW, {"myASN": 1, "disableMP": False, "dualStackAddressFamily": False})
    assert convert_peer(before, OLD) == peer(OLD, {"myASN": 1})


@pytest.mark.parametrize("zero", ["0", "0s", "0h0m0s", "00ms", "0.0s", "0.s"])
@pytest.mark.parametrize("timer", ["holdTime", "keepaliveTime"])
def test_a_zero_timer_of_v1beta1_is_one_that_was_not_set(timer: str, zero: str) -> None:
    assert convert_peer(peer(OLD, {"myASN": 1, timer: zero}), NEW) == peer(NEW, {"myASN": 1})


@pytest.mark.parametrize("other", ["1s", "0h0m1s", "10s", "", "s", "0x", None, 0])
def test_another_timer_stays(other: object) -> None:
    found = convert_peer(peer(OLD, {"myASN": 1, "holdTime": other}), NEW)
    assert found["spec"]["holdTime"] == other


def test_an_explicit_zero_timer_of_v1beta2_survives() -> None:
    before = peer(NEW, {"myASN": 1, "holdTime": "0s", "keepaliveTime": "30s"})
    shown = convert_peer(before, OLD)
    assert shown["spec"] == before["spec"]
    assert convert_peer(shown, NEW) == before
    shown["spec"]["holdTime"] = "90s"  # the client of v1beta1 sets it
    assert convert_peer(shown, NEW)["spec"]["holdTime"] == "90s"
    del shown["spec"]["holdTime"]  # ... or takes it away
    assert "holdTime" not in convert_peer(shown, NEW)["spec"]


def test_port_zero_of_v1beta1_is_one_that_was_not_set() -> None:
    assert convert_peer(peer(OLD, {"peerPort": 0}), NEW) == peer(NEW, {})


@pytest.mark.parametrize("spoilt", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_an_annotation_that_is_spoilt_holds_nothing(spoilt: str) -> None:
    found = convert_peer(peer(OLD, {"myASN": 1}, **{ANNOTATION: spoilt}), NEW)
    assert found == peer(NEW, {"myASN": 1})


def test_the_annotation_gives_no_field_that_it_should_not() -> None:
    text = json.dumps({"myASN": 7, "vrf": "red", "holdTime": "0s", "other": 1})
    found = convert_peer(peer(OLD, {"myASN": 1}, **{ANNOTATION: text}), NEW)
    assert found["spec"] == {"myASN": 1, "vrf": "red"}


@pytest.mark.parametrize("odd", [None, [], "x", 7])
def test_what_is_of_the_wrong_type_reads_as_empty(odd: object) -> None:
    value = {"apiVersion": OLD, "kind": "BGPPeer", "metadata": odd, "spec": odd}
    assert convert_peer(value, NEW) == {**value, "apiVersion": NEW, "metadata": {}, "spec": {}}
    meta = {"name": "r", "annotations": odd}
    found = convert_peer({**value, "metadata": meta}, NEW)
    assert found["metadata"] == {"name": "r"}


def test_the_same_version_changes_nothing() -> None:
    before = peer(NEW, COMMON | NEWER)
    assert convert_peer(before, NEW) == before


@pytest.mark.parametrize(
    ("value", "version", "why"),
    [
        (peer("metallb.io/v1", {}), NEW, "is no BGPPeer"),
        ({**peer(OLD, {}), "kind": "Community"}, NEW, "is no BGPPeer"),
        ({}, NEW, "None, Kind=None"),
        (peer(OLD, {}), "metallb.io/v2", "cannot be converted to metallb.io/v2"),
    ],
)
def test_what_cannot_be_converted_is_told(value: Any, version: str, why: str) -> None:
    with pytest.raises(ConversionError, match=why):
        convert_peer(value, version)
