"""What is decoded by a shape is read as what is decoded whole, whatever is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from metallb.api.nodes import EndpointSliceObject, NodeObject, read_endpoint_slice, read_node
from metallb.api.services import ServiceObject, read_service
from metallb.api.virtual_ips import VirtualIPObject, read_virtual_ip
from metallb.kube.decoding import Decoder, decoded
from support.hostile import ANYTHING, paths, put

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA: dict[str, Any] = {
    "namespace": "web",
    "name": "192.0.2.1",
    "uid": "u",
    "resourceVersion": "7",
    "generation": 3,
    "creationTimestamp": "2026-11-27T12:00:00Z",
    "deletionTimestamp": "2026-11-27T12:00:01Z",
    "labels": {"kubernetes.io/service-name": "shop", "a": "b"},
    "annotations": {
        "network.deckhouse.io/metal-load-balancer-class": "a",
        "network.deckhouse.io/l2-load-balancer-external-ips-count": "2",
        "network.deckhouse.io/load-balancer-ips": "192.0.2.1",
        "network.deckhouse.io/load-balancer-shared-ip-key": "key",
        "network.deckhouse.io/load-balancer-pool": "pool",
        "network.deckhouse.io/load-balancer-retention-seconds": "5",
        "network.deckhouse.io/load-balancer-hostname": "host",
        "metallb.universe.tf/address-pool": "old",
        "metallb.io/loadBalancerIPs": "192.0.2.1",
        "metallb.io/allow-shared-ip": "key",
        "metallb.io/ip-allocated-from-pool": "pool",
    },
    "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
}
CONDITION = {
    "type": "AllPublicIPsAssigned",
    "status": "True",
    "reason": "R",
    "message": "m",
    "lastTransitionTime": "2026-11-27T12:00:02Z",
    "observedGeneration": 3,
}
WHOLE: dict[str, tuple[Any, Callable[[Any], Any], dict[str, Any]]] = {
    "Service": (
        ServiceObject,
        read_service,
        {
            "metadata": METADATA,
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "loadBalancerClass": "c",
                "ipFamilies": ["IPv6"],
                "ipFamilyPolicy": "SingleStack",
                "clusterIPs": ["fd00::1"],
                "ports": [{"protocol": "UDP", "port": 53, "nodePort": 30053}],
                "selector": {"app": "dns"},
                "loadBalancerIP": "192.0.2.1",
                "healthCheckNodePort": 32000,
                "sessionAffinity": "None",
            },
            "status": {
                "conditions": [CONDITION],
                "loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "Proxy"}]},
            },
        },
    ),
    "VirtualIP": (
        VirtualIPObject,
        read_virtual_ip,
        {
            "metadata": METADATA,
            "spec": {
                "address": "192.0.2.1",
                "pool": "a",
                "poolKind": "IPAddressPool",
                "services": [{"namespace": "web", "name": "shop"}],
                "trafficPolicy": "Local",
                "layer2": {"nodes": ["n1"], "suspended": "NoReadyEndpoints"},
                "bgp": {"advertisements": ["b"], "nodes": ["n1"]},
                "retained": {
                    "services": [{"namespace": "web", "name": "shop"}],
                    "until": "2026-11-27T12:00:00Z",
                },
            },
            "status": {
                "announcers": [{"node": "n1", "since": "2026", "reason": "Preferred"}],
                "conditions": [{**CONDITION, "type": "Announced"}],
                "transitions": [{"node": "n1"}],
                "bgp": {"n1": {"since": "2026", "peers": ["p"]}},
            },
        },
    ),
    "EndpointSlice": (
        EndpointSliceObject,
        read_endpoint_slice,
        {
            "metadata": METADATA,
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n1"}],
        },
    ),
    "Node": (
        NodeObject,
        read_node,
        {
            "metadata": METADATA,
            "spec": {"podCIDR": "10.0.0.0/24"},
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "True"},
                    {"type": "NetworkUnavailable", "status": "True"},
                ],
                "addresses": [{"type": "InternalIP", "address": "192.0.2.9"}],
                "images": [{"names": ["a"], "sizeBytes": 1}],
            },
        },
    ),
}


NOTHING = {"metadata": {"name": "192.0.2.2"}, "spec": {"address": "192.0.2.2"}}
"""Any of them, as little as there can be."""


def copy_of(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(orjson.dumps(WHOLE[kind][2]))
    return found


def outcome(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except Exception as error:
        return type(error)


def values_of(item: Any) -> dict[str, Any]:
    """Give the fields of a value, those of its metadata among them."""
    found = {field.name: getattr(item, field.name) for field in fields(item)}
    return {**found, **(values_of(found["meta"]) if "meta" in found else {})}


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, Any]:
    """An object of some kind, a few parts of which are replaced, perhaps all of it."""
    kind = draw(st.sampled_from(sorted(WHOLE)))
    value = copy_of(kind)
    for path in draw(st.lists(st.sampled_from(list(paths(value))), max_size=3)):
        put(value, path, draw(ANYTHING))
    return kind, draw(ANYTHING) if draw(st.integers(0, 20)) == 7 else value


def encoded(value: object) -> bytes | None:
    """Give what a server sends; None: no server could."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize("kind", WHOLE)
def test_no_field_that_is_read_is_passed_over(kind: str) -> None:
    shape, read, _ = WHOLE[kind]
    body = orjson.dumps({"metadata": {"resourceVersion": "9"}, "items": [copy_of(kind)]})
    page = Decoder(shape).page(body)
    assert page["metadata"] == {"resourceVersion": "9"}
    found = read(page["items"][0])
    assert found == read(copy_of(kind))
    assert "managedFields" not in page["items"][0]["metadata"]
    nothing = values_of(read(NOTHING))
    same = [name for name, value in values_of(found).items() if value == nothing[name]]
    assert same == [], "each field of the whole object says something"


@given(objects())
def test_objects_are_read_alike(item: tuple[str, Any]) -> None:
    kind, value = item
    shape, read, _ = WHOLE[kind]
    decoder = Decoder(shape)
    body = encoded({"items": [value], "metadata": {}})
    if body is None:
        return
    assert outcome(read, decoder.page(body)["items"][0]) == outcome(read, decoded(body)["items"][0])
    event = encoded({"type": "ADDED", "object": value})
    assert event is not None
    found = decoder.event(event)
    assert found["type"] == "ADDED"
    assert outcome(read, found["object"]) == outcome(read, orjson.loads(event)["object"])


@given(ANYTHING)
def test_what_is_no_list_and_no_event_is_decoded_whole(value: Any) -> None:
    body = encoded(value)
    if body is None:
        return
    decoder = Decoder(ServiceObject)
    page = decoder.page(body)
    assert page == decoded(body) or set(page) <= {"metadata", "items"}
    try:
        assert isinstance(decoder.event(body), dict)
    except ValueError:
        assert not isinstance(value, dict)


@pytest.mark.parametrize("shape", [None, ServiceObject])
def test_an_error_in_a_watch_keeps_all_that_it_says(shape: Any) -> None:
    status = {"kind": "Status", "code": 410, "message": "too old", "reason": "Expired"}
    event = Decoder(shape).event(orjson.dumps({"type": "ERROR", "object": status}))
    assert event == {"type": "ERROR", "object": status}


@pytest.mark.parametrize("shape", [None, ServiceObject])
@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"\xff\xff", b'{"type": "\xff"}'])
def test_what_is_no_event_is_refused(shape: Any, line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Decoder(shape).event(line)


@pytest.mark.parametrize(
    ("body", "answer"), [(b"", {}), (b"<html> ", "<html>"), (b"\xff", "�"), (b"[1]", [1])]
)
def test_answers_that_are_no_list(body: bytes, answer: object) -> None:
    assert decoded(body) == answer
    assert Decoder(ServiceObject).page(body) == answer
