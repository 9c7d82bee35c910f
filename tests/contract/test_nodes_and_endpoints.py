"""Nodes, endpoints, Leases, Events: what controllers read and write of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import some

if TYPE_CHECKING:
    from contract.api import Api

# ---------------------------------------------------------------- nodes


async def test_nodes(api: Api) -> None:
    name = f"n-{api.namespace}"
    body = some("v1", "Node", name, status={"capacity": {"cpu": "4"}})
    made = (await api.post("/api/v1/nodes", body)).ok(201)
    assert made["status"]["capacity"] == {"cpu": "4"}
    assert made["status"]["allocatable"] == {"cpu": "4"}
    path = f"/api/v1/nodes/{name}"
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    (await api.patch(f"{path}/status", ready)).ok()
    done = (await api.patch(path, {"spec": {"unschedulable": True}, "status": None})).ok()
    assert done["spec"]["unschedulable"] is True
    assert done["status"]["conditions"][0]["type"] == "Ready"
    found = (await api.get("/api/v1/nodes", fieldSelector="spec.unschedulable=true")).ok()
    assert name in {item["metadata"]["name"] for item in found["items"]}
    bad = {"spec": {"taints": [{"key": "", "effect": "NoSchedule"}]}}
    assert (await api.patch(path, bad)).status == 422
    (await api.delete(path)).ok()


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"taints": [{"key": "a", "effect": "X"}]},
            ("FieldValueNotSupported", "metadata.taints[0].effect"),
        ),
        ({"taints": [{"key": "a"}]}, ("FieldValueRequired", "metadata.taints[0].effect")),
        (
            {"taints": [{"key": "a", "effect": "NoSchedule", "value": "b c"}]},
            ("FieldValueInvalid", "metadata.taints[0].value"),
        ),
        (
            {"taints": [{"key": "a", "effect": "NoSchedule"}] * 2},
            ("FieldValueDuplicate", "metadata.taints[1]"),
        ),
        ({"podCIDR": "x"}, ("FieldValueInvalid", "spec.podCIDRs[0]")),
    ],
)
async def test_nodes_that_are_refused(
    api: Api, spec: dict[str, Any], cause: tuple[str, str]
) -> None:
    answer = await api.post("/api/v1/nodes", some("v1", "Node", api.namespace, spec=spec))
    assert answer.causes() == {cause}


async def test_what_is_fixed_in_a_node(api: Api) -> None:
    spec = {"podCIDR": "10.9.0.0/24", "providerID": "a"}
    body = some("v1", "Node", api.namespace, spec=spec)
    (await api.post("/api/v1/nodes", body)).ok(201)
    path = f"/api/v1/nodes/{api.namespace}"
    change = {"spec": {"podCIDR": "10.8.0.0/24", "providerID": "b"}}
    found = (await api.patch(path, change)).causes()
    assert found == {
        ("FieldValueForbidden", "spec.podCIDRs"), ("FieldValueForbidden", "spec.providerID"),
    }  # fmt: skip
    (await api.delete(path)).ok()


# ---------------------------------------------------------------- endpoints


async def test_endpoint_slices(api: Api) -> None:
    path = f"{api.group('discovery.k8s.io/v1')}/endpointslices"
    body = some("discovery.k8s.io/v1", "EndpointSlice", "s", addressType="IPv4")
    body |= {"endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"port": 80}]}
    made = (await api.post(path, body)).ok(201)
    assert made["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert made["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {}}]
    labelled = (await api.patch(f"{path}/s", {"metadata": {"labels": {"a": "b"}}})).ok()
    assert labelled["metadata"]["generation"] == 2
    noted = (await api.patch(f"{path}/s", {"metadata": {"annotations": {"a": "b"}}})).ok()
    assert noted["metadata"]["generation"] == 2
    found = (await api.patch(f"{path}/s", {"addressType": "IPv6"})).causes()
    assert ("FieldValueInvalid", "addressType") in found
    empty = some("discovery.k8s.io/v1", "EndpointSlice", "e", addressType="IPv4")
    assert (await api.post(path, empty)).ok(201)["endpoints"] in (None, [])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"addressType": "Foo"}, ("FieldValueNotSupported", "addressType")),
        ({"addressType": None}, ("FieldValueRequired", "addressType")),
        ({"endpoints": [{"addresses": []}]}, ("FieldValueRequired", "endpoints[0].addresses")),
        (
            {"endpoints": [{"addresses": ["nope"]}]},
            ("FieldValueInvalid", "endpoints[0].addresses[0]"),
        ),
        (
            {"endpoints": [{"addresses": ["127.0.0.1"]}]},
            ("FieldValueInvalid", "endpoints[0].addresses[0]"),
        ),
        ({"ports": [{"port": 1}, {"port": 2}]}, ("FieldValueDuplicate", "ports[1].name")),
        (
            {"ports": [{"port": 1, "protocol": "X"}]},
            ("FieldValueNotSupported", "ports[0].protocol"),
        ),
    ],
)
async def test_endpoint_slices_that_are_refused(
    api: Api, change: dict[str, Any], cause: tuple[str, str]
) -> None:
    body = some("discovery.k8s.io/v1", "EndpointSlice", "s", addressType="IPv4", endpoints=[])
    answer = await api.post(f"{api.group('discovery.k8s.io/v1')}/endpointslices", body | change)
    assert answer.causes() == {cause}


async def test_endpoint_slices_of_names(api: Api) -> None:
    path = f"{api.group('discovery.k8s.io/v1')}/endpointslices"
    body = some("discovery.k8s.io/v1", "EndpointSlice", "s", addressType="FQDN")
    body["endpoints"] = [{"addresses": [name]} for name in ("a.example.com", "a", "A.b")]
    assert (await api.post(path, body)).causes() == {
        ("FieldValueInvalid", f"endpoints[{index}].addresses[0]") for index in (1, 2)
    }
    answer = await api.post(path, body | {"endpoints": body["endpoints"][:1]})
    assert answer.ok(201)
    assert answer.warnings == ['299 - "spec.addressType: FQDN endpoints are deprecated"']
    assert (await api.patch(f"{path}/s", {"metadata": {"labels": {"a": "b"}}})).warnings == []


async def test_endpoints_are_deprecated_and_say_so(api: Api) -> None:
    subset = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}
    body = some("v1", "Endpoints", "e", subsets=[subset])
    answer = await api.post(f"{api.core}/endpoints", body)
    assert answer.ok(201)["subsets"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    assert answer.warnings == [f'299 - "{text}"']
    assert (await api.get(f"{api.core}/endpoints")).warnings == [f'299 - "{text}"']


async def test_endpoints_go_with_their_service(api: Api) -> None:
    subset = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}
    body = some("v1", "Service", "s", spec={"ports": [{"port": 80}]})
    (await api.post(f"{api.core}/services", body)).ok(201)
    (await api.post(f"{api.core}/endpoints", some("v1", "Endpoints", "s", subsets=[subset]))).ok(
        201
    )
    (await api.delete(f"{api.core}/services/s")).ok()
    (await api.get(f"{api.core}/endpoints/s")).failed(404, "NotFound")


# ---------------------------------------------------------------- leases, events


async def test_leases(api: Api) -> None:
    path = f"{api.group('coordination.k8s.io/v1')}/leases"
    spec = {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.123456Z",
    }
    made = (await api.post(path, some("coordination.k8s.io/v1", "Lease", "l", spec=spec))).ok(201)
    assert made["spec"] == spec
    assert "generation" not in made["metadata"]
    renewed = {**made, "spec": {**spec, "renewTime": "2026-01-01T00:00:01.000000Z"}}
    second = (await api.put(f"{path}/l", renewed)).ok()
    (await api.put(f"{path}/l", renewed)).failed(409, "Conflict")
    assert second["spec"]["renewTime"] == "2026-01-01T00:00:01.000000Z"
    for change, field in (
        ({"leaseDurationSeconds": 0}, "spec.leaseDurationSeconds"),
        ({"leaseTransitions": -1}, "spec.leaseTransitions"),
    ):
        assert field in {
            name for _, name in (await api.patch(f"{path}/l", {"spec": change})).causes()
        }
    gated = (await api.patch(f"{path}/l", {"spec": {"preferredHolder": "x"}})).ok()
    assert "preferredHolder" not in gated["spec"]
    wrong = {"spec": {"renewTime": "yesterday"}}
    assert (await api.patch(f"{path}/l", wrong)).status == 422


async def test_events_have_one_storage_and_two_apis(api: Api) -> None:
    about = {"kind": "Service", "name": "s", "namespace": api.namespace}
    old = some("v1", "Event", "old", involvedObject=about, reason="R", message="m", type="Normal")
    old["source"] = {"component": "suite"}
    (await api.post(f"{api.core}/events", old)).ok(201)
    new_path = f"{api.group('events.k8s.io/v1')}/events"
    shown = (await api.get(f"{new_path}/old")).ok()
    assert shown["apiVersion"] == "events.k8s.io/v1"
    assert shown["regarding"] == about
    assert shown["note"] == "m"
    assert shown["deprecatedSource"] == {"component": "suite"}
    new = some("events.k8s.io/v1", "Event", "new", regarding=about, reason="R", note="n")
    new |= {
        "type": "Warning",
        "action": "Act",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "lab.example.com/suite",
        "reportingInstance": "i",
    }
    (await api.post(new_path, new)).ok(201)
    back = (await api.get(f"{api.core}/events/new")).ok()
    assert back["involvedObject"] == about
    assert (back["message"], back["reportingComponent"]) == ("n", "lab.example.com/suite")
    selector = "involvedObject.kind=Service,involvedObject.name=s,type=Warning"
    found = (await api.get(f"{api.core}/events", fieldSelector=selector)).ok()["items"]
    assert [item["metadata"]["name"] for item in found] == ["new"]
    async with api.watch(new_path) as watch:
        assert sorted(await watch.some(2)) == [("ADDED", "new"), ("ADDED", "old")]
        assert {e["object"]["apiVersion"] for e in watch.seen} == {"events.k8s.io/v1"}
    wrong = some("v1", "Event", "w", involvedObject={**about, "namespace": "default"})
    found = (await api.post(f"{api.core}/events", wrong)).causes()
    assert ("FieldValueInvalid", "involvedObject.namespace") in found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reportingComponent": ""}, "reportingComponent"),
        ({"reportingInstance": "x" * 129}, "reportingInstance"),
        ({"action": ""}, "action"),
        ({"reason": ""}, "reason"),
        ({"message": "x" * 1025}, "message"),
    ],
)
async def test_events_with_a_time_are_checked(api: Api, change: dict[str, Any], field: str) -> None:
    about = {"kind": "Service", "name": "s", "namespace": api.namespace}
    body = some("v1", "Event", "e", involvedObject=about, reason="R", action="A") | {
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "c",
        "reportingInstance": "i",
    }
    answer = await api.post(f"{api.core}/events", body | change)
    assert field in {name for _, name in answer.causes()}
    untimed = await api.post(f"{api.core}/events", body | change | {"eventTime": None})
    assert untimed.ok(201)


async def test_events_of_the_newer_api_are_not_changed(api: Api) -> None:
    path = f"{api.group('events.k8s.io/v1')}/events"
    body = some("events.k8s.io/v1", "Event", "e", reason="R", action="A", type="Normal") | {
        "regarding": {"kind": "Service", "name": "s", "namespace": api.namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "c",
        "reportingInstance": "i",
    }
    wrong = body | {"type": "Odd", "deprecatedCount": 3}
    assert (await api.post(path, wrong)).causes() >= {
        ("FieldValueInvalid", "type"), ("FieldValueInvalid", "count"),
    }  # fmt: skip
    (await api.post(path, body)).ok(201)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
    assert (await api.patch(f"{path}/e", {"series": series})).ok()["series"] == series
    found = (await api.patch(f"{path}/e", {"action": "B"})).causes()
    assert found == {("FieldValueInvalid", "action")}
