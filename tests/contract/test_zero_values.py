"""What Go writes for values that are zero, and how it rewrites times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Document, pod, service

if TYPE_CHECKING:
    from contract.api import Api


async def test_zero_values_of_a_node(api: Api) -> None:
    spec = {"unschedulable": False, "podCIDR": "10.9.0.0/24", "taints": []}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": api.namespace}, "spec": spec}
    made = (await api.post("/api/v1/nodes", body)).ok(201)
    assert made["spec"] == {"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]}
    assert made["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert made["status"]["nodeInfo"]["kernelVersion"] == ""
    assert len(made["status"]["nodeInfo"]) == 10
    (await api.delete(f"/api/v1/nodes/{api.namespace}")).ok()


async def test_times_that_are_null(api: Api) -> None:
    (await api.post(f"{api.core}/pods", pod("p"))).ok(201)
    change = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    found = (await api.patch(f"{api.core}/pods/p/status", change)).ok()
    (condition,) = found["status"]["conditions"]
    assert condition == {
        "type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None,
    }  # fmt: skip


async def test_conditions_of_services_are_complete(api: Api) -> None:
    (await api.post(f"{api.core}/services", service("s"))).ok(201)
    change = {"status": {"conditions": [{"type": "A", "status": "True"}]}}
    found = (await api.patch(f"{api.core}/services/s/status", change)).ok()
    assert found["status"]["conditions"] == [
        {"type": "A", "status": "True", "lastTransitionTime": None, "reason": "", "message": ""}
    ]


async def test_pointers_keep_what_was_written(api: Api) -> None:
    endpoint = {"addresses": ["192.0.2.1"], "conditions": {"ready": False}, "hostname": "h"}
    body: Document = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s"},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [],
    }
    path = f"{api.group('discovery.k8s.io/v1')}/endpointslices"
    made = (await api.post(path, body)).ok(201)
    assert made["endpoints"] == [endpoint]
    assert made["ports"] is None  # the storage knows no empty list


async def test_null_in_a_list_is_a_zero_value(api: Api) -> None:
    ports: list[Any] = [{"name": "a", "port": 80}, None]
    answer = await api.post(f"{api.core}/services", service("s", ports=ports))
    assert ("FieldValueInvalid", "spec.ports[1].port") in answer.causes()
    body = service("s")
    body["metadata"]["finalizers"] = [None]
    answer = await api.post(f"{api.core}/services", body)
    assert ("FieldValueInvalid", "metadata.finalizers") in answer.causes()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.987Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("0001-01-01T00:00:00Z", None),
    ],
)
async def test_times_are_rewritten(api: Api, written: str, shown: str | None) -> None:
    (await api.post(f"{api.core}/services", service("s"))).ok(201)
    condition = {"type": "A", "status": "True", "lastTransitionTime": written}
    change = {"status": {"conditions": [condition]}}
    found = (await api.patch(f"{api.core}/services/s/status", change)).ok()
    assert found["status"]["conditions"][0]["lastTransitionTime"] == shown


def lease(**spec: Any) -> Document:
    head: Document = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return head | {"metadata": {"name": "l"}, "spec": spec}


async def test_micro_times_have_six_digits(api: Api) -> None:
    path = f"{api.group('coordination.k8s.io/v1')}/leases"
    for wrong in ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02"):
        answer = await api.post(path, lease(renewTime=wrong))
        assert "parsing time" in answer.failed(400, "BadRequest")["message"]
    given = "2026-01-02T03:04:05.000001+01:00"
    made = (await api.post(path, lease(renewTime=given))).ok(201)
    assert made["spec"]["renewTime"] == "2026-01-02T02:04:05.000001Z"
