"""EndpointSlices, merged by Service."""

from __future__ import annotations

from metallb.api.meta import ObjectKey
from metallb.api.nodes import EndpointSlice, read_endpoint_slice
from metallb_controller.reconcile.endpoints import Endpoints
from support.objects import slice_object

WEB, API = ObjectKey("default", "web"), ObjectKey("default", "api")


def _slice(
    service: str = "web", nodes: tuple[str, ...] = ("a",), name: str = "s1", *, ready: bool = True
) -> EndpointSlice:
    return read_endpoint_slice(slice_object(service, nodes, name=name, ready=ready))


def test_the_slices_of_a_service_are_one() -> None:
    endpoints = Endpoints()
    assert endpoints.observe(None, _slice(nodes=("a", "b"))) == {WEB}
    assert endpoints.observe(None, _slice(nodes=("c",), name="s2")) == {WEB}
    assert endpoints.nodes([WEB]) == {"a", "b", "c"}
    assert endpoints.observe(_slice(nodes=("a", "b")), None) == {WEB}
    assert endpoints.nodes([WEB]) == {"c"}
    assert endpoints.observe(_slice(nodes=("c",), name="s2"), None) == {WEB}
    assert endpoints.nodes([WEB]) == frozenset()
    assert not endpoints.can_serve([WEB])


def test_what_concerns_nobody_is_no_change() -> None:
    endpoints = Endpoints()
    endpoints.observe(None, _slice())
    assert endpoints.observe(_slice(), _slice()) == set()
    assert endpoints.observe(None, None) == set()
    assert endpoints.observe(_slice(), _slice(ready=False)) == {WEB}
    assert not endpoints.can_serve([WEB])


def test_endpoints_are_counted_over_all_slices_and_services() -> None:
    endpoints = Endpoints()
    endpoints.observe(None, _slice(nodes=("a", "b", "a")))
    endpoints.observe(None, _slice(nodes=("a",), name="s2"))
    endpoints.observe(None, _slice("api", nodes=("b",), name="s3"))
    assert endpoints.counts([WEB, API]) == {"a": 3, "b": 2}
    assert endpoints.counts([API]) == {"b": 1}


def test_one_endpoint_more_is_a_change_only_where_they_are_counted() -> None:
    endpoints = Endpoints()
    one, two = _slice(nodes=("a",)), _slice(nodes=("a", "a"))
    endpoints.observe(None, one)
    assert endpoints.observe(one, two) == set()
    endpoints.are_counted = True
    assert endpoints.observe(two, one) == {WEB}


def test_a_slice_that_goes_to_another_service_changes_both() -> None:
    endpoints = Endpoints()
    endpoints.observe(None, _slice())
    assert endpoints.observe(_slice(), _slice("api")) == {WEB, API}
    assert not endpoints.nodes([WEB])
    assert endpoints.nodes([API]) == {"a"}


def test_several_services_serve_where_all_do_or_else_where_any_does() -> None:
    endpoints = Endpoints()
    endpoints.observe(None, _slice("web", ("a", "b")))
    endpoints.observe(None, _slice("api", ("b", "c"), name="s2"))
    assert endpoints.nodes([WEB, API]) == {"b"}
    assert endpoints.nodes([WEB, ObjectKey("default", "none")]) == {"a", "b"}
    assert endpoints.nodes([]) == frozenset()
    assert endpoints.can_serve([ObjectKey("default", "none"), API])


def test_an_endpoint_without_a_node_can_serve() -> None:
    endpoints = Endpoints()
    endpoints.observe(None, _slice(nodes=("",)))
    assert endpoints.can_serve([WEB])
    assert endpoints.nodes([WEB]) == frozenset()
