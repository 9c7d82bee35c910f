from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.nodes import EXCLUDE_LABEL, ZONE_LABEL, read_endpoint_slice, read_node
from support.objects import node_object, slice_object


def test_a_node_is_read() -> None:
    found = read_node(node_object("a", labels={ZONE_LABEL: "z1", EXCLUDE_LABEL: ""}))
    assert found.name == "a"
    assert found.zone == "z1"
    assert found.is_excluded
    assert found.is_ready
    assert found.is_network_available
    bare = read_node({"metadata": {"name": "b"}})
    assert (bare.zone, bare.is_excluded, bare.is_ready) == ("", False, False)
    assert bare.is_network_available


def test_only_what_placement_reads_is_a_difference() -> None:
    before = read_node(node_object("a"))
    assert read_node(node_object("a")).places_like(before)
    assert not read_node(node_object("a", ready=False)).places_like(before)
    assert not read_node(node_object("a", network_unavailable=True)).places_like(before)
    assert not read_node(node_object("a", labels={"x": "y"})).places_like(before)
    assert not before.places_like(None)


@pytest.mark.parametrize(
    ("ready", "serving", "serves"),
    [(True, None, True), (False, None, False), (False, True, True), (False, False, False)],
)
def test_an_endpoint_serves_when_it_is_ready_or_still_serving(
    ready: bool, serving: bool | None, serves: bool
) -> None:
    found = read_endpoint_slice(slice_object("web", ("a",), ready=ready, serving=serving))
    assert found.service == ObjectKey("default", "web")
    assert found.has_endpoint is serves
    assert found.nodes == (frozenset("a") if serves else frozenset())


def test_an_endpoint_whose_readiness_is_not_said_serves() -> None:
    value = slice_object("web", ("a", ""))
    for endpoint in value["endpoints"]:
        del endpoint["conditions"]
    found = read_endpoint_slice(value)
    assert found.has_endpoint
    assert found.nodes == frozenset("a")


def test_endpoints_are_counted_by_node() -> None:
    found = read_endpoint_slice(slice_object("web", ("b", "a", "b")))
    assert found.nodes == frozenset("ab")
    assert found.counts == (("a", 1), ("b", 2))


def test_addresses_inside_the_cluster_are_read() -> None:
    kinds = ("InternalIP", "ExternalIP", "InternalIP", "InternalIP", "Hostname")
    texts = ("10.0.0.1", "192.0.2.1", "fd00::1", "nonsense", "b")
    listed = [{"type": kind, "address": text} for kind, text in zip(kinds, texts, strict=True)]
    found = read_node({"metadata": {"name": "b"}, "status": {"addresses": listed}})
    assert found.addresses == (ip_address("10.0.0.1"), ip_address("fd00::1"))
