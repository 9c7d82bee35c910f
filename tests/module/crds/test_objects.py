"""What both API servers take and refuse by the CRDs of the module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from module.crds.definitions import (
    DEFINED,
    SHAPES,
    Document,
    api_version,
    kind_of,
    levels,
    path_of,
    schema_of,
)

if TYPE_CHECKING:
    from contract.api import Api

HERE = Path(__file__).parent
GOOD: list[Document] = yaml.safe_load((HERE / "good.yaml").read_text())
BAD: dict[str, list[Document]] = yaml.safe_load((HERE / "bad.yaml").read_text())
COMPLETE: dict[str, Document] = {
    "MetalLoadBalancerBGPPeer": {"peerAddress": "192.0.2.1", "peerASN": 64501, "myASN": 64500},
    "MetalLoadBalancerConfiguration": {"mode": "BGP"},
    "BGPPeer": {"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"},
    "BGPPeer/v1beta1": {"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"},
    "IPAddressPool": {"addresses": ["192.0.2.0/24"]},
    "MetalLoadBalancerPool": {"addresses": ["192.0.2.0/24"]},
}

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("defined")]


def body_of(kind: str, name: str, spec: Any) -> Document:
    found = {"apiVersion": api_version(kind), "kind": kind_of(kind), "metadata": {"name": name}}
    return found if spec is None else found | {"spec": spec}


@pytest.mark.parametrize("kind", SHAPES)
async def test_good_objects_are_taken(api: Api, kind: str) -> None:
    cases = [case for case in GOOD if case["kind"] == kind]
    assert cases, "no example"
    for index, case in enumerate(cases):
        body = body_of(kind, f"good-{index}", case.get("spec"))
        made = (await api.post(path_of(api, kind), body, fieldValidation="Strict")).ok(201)
        if "filled" in case:
            assert made["spec"] == case["filled"]


@pytest.mark.parametrize("kind", BAD)
async def test_bad_objects_are_refused_at_the_field(api: Api, kind: str) -> None:
    for case in BAD[kind]:
        spec = COMPLETE.get(kind, {}) | case["with"] if "with" in case else case.get("spec")
        answer = await api.post(path_of(api, kind), body_of(kind, "bad", spec))
        assert answer.status == 422, (case, answer.raw)
        fields = {field for _, field in answer.causes()}
        assert case["field"] in fields, (case, answer.body["message"])
        assert case.get("says", "") in answer.body["message"], case


async def test_a_peer_of_the_older_version_is_one_of_the_newer_too(api: Api) -> None:
    """Without the webhook the versions differ by name alone."""
    spec = COMPLETE["BGPPeer"]
    older = path_of(api, "BGPPeer/v1beta1")
    answer = await api.post(older, body_of("BGPPeer/v1beta1", "both", spec))
    assert answer.ok(201)["apiVersion"] == "metallb.io/v1beta1"
    newer = (await api.get(f"{path_of(api, 'BGPPeer')}/both")).ok()
    assert newer["apiVersion"] == "metallb.io/v1beta2"
    assert newer["spec"] == spec | {
        "peerPort": 179,
        "disableMP": False,
        "dualStackAddressFamily": False,
    }


async def test_a_field_that_does_not_exist_is_named(api: Api) -> None:
    spec = {"addresses": ["192.0.2.0/24"], "autoassign": False}
    where = path_of(api, "MetalLoadBalancerPool")
    body = body_of("MetalLoadBalancerPool", "typo", spec)
    answer = await api.post(where, body, fieldValidation="Strict")
    assert answer.status == 400
    assert 'unknown field "spec.autoassign"' in answer.body["message"]


async def test_graceful_restart_cannot_be_changed(api: Api) -> None:
    where = path_of(api, "BGPPeer")
    spec = COMPLETE["BGPPeer"] | {"enableGracefulRestart": False}
    (await api.post(where, body_of("BGPPeer", "peer", spec))).ok(201)
    answer = await api.patch(f"{where}/peer", {"spec": {"enableGracefulRestart": True}})
    assert answer.causes() == {("FieldValueInvalid", "spec.enableGracefulRestart")}
    assert "cannot be changed" in answer.body["message"]


@pytest.mark.parametrize("kind", ["ServiceL2Status", "ServiceBGPStatus"])
@pytest.mark.parametrize("field", ["node", "serviceName", "serviceNamespace"])
async def test_a_status_of_a_service_stays_with_it(api: Api, kind: str, field: str) -> None:
    """metallb.md §2, status objects."""
    where, name = path_of(api, kind), f"of-{field.lower()}"
    (await api.post(where, body_of(kind, name, None))).ok(201)
    said = {"node": "a", "serviceName": "web", "serviceNamespace": "default"}
    (await api.patch(f"{where}/{name}/status", {"status": said})).ok()
    (await api.patch(f"{where}/{name}/status", {"status": {"interfaces": []}})).ok()
    answer = await api.patch(f"{where}/{name}/status", {"status": {field: "other"}})
    assert answer.causes() == {("FieldValueInvalid", f"status.{field}")}
    assert "cannot be changed" in answer.body["message"]


@pytest.mark.parametrize("kind", DEFINED)
async def test_status_is_a_resource_of_its_own(api: Api, kind: str) -> None:
    case = next(case for case in GOOD if case["kind"] == kind)
    where = path_of(api, kind)
    body = body_of(kind, "whole", case.get("spec")) | {"status": {"conditions": []}}
    assert "status" not in (await api.post(where, body)).ok(201)
    assert (await api.get(f"{where}/whole/status")).ok()["metadata"]["name"] == "whole"


@pytest.mark.parametrize(
    ("kind", "head", "line"),
    [
        ("MetalLoadBalancerPool", "NAME AUTO ASSIGN TOTAL USED FREE READY AGE",
         "shown true 5 2 3 True"),
        ("MetalLoadBalancerBGPPeer", "NAME ADDRESS PEER ASN MY ASN VALID AGE",
         "shown 192.0.2.1 4294967295 64500 True"),
        ("MetalLoadBalancerConfiguration", "NAME MODE PEERS POOLS VALID AGE",
         'shown BGP ["left"] ["one"] True'),
        ("IPAddressPool", "NAME AUTO ASSIGN AVOID BUGGY IPS ADDRESSES AGE",
         'shown true false ["192.0.2.0/24"]'),
        ("ServiceL2Status", "NAME ALLOCATED NODE SERVICE NAME SERVICE NAMESPACE AGE",
         "shown node-1 web default"),
        ("ServiceBGPStatus", "NAME NODE SERVICE NAME SERVICE NAMESPACE PEERS AGE",
         'shown node-1 web default ["left"]'),
    ],
)  # fmt: skip
async def test_columns(api: Api, kind: str, head: str, line: str) -> None:
    specs: dict[str, Document] = {
        "MetalLoadBalancerPool": {"addresses": ["192.0.2.0/24"]},
        "MetalLoadBalancerBGPPeer": COMPLETE["MetalLoadBalancerBGPPeer"] | {"peerASN": 4294967295},
        "MetalLoadBalancerConfiguration": {
            "mode": "BGP",
            "bgp": {"peerNames": ["left"]},
            "advertisements": [{"poolNames": ["one"]}],
        },
        "IPAddressPool": {"addresses": ["192.0.2.0/24"]},
    }
    true = [{"type": kind, "status": "True", "reason": "Fine"} for kind in ("Ready", "Valid")]
    statuses: dict[str, Document] = {
        "MetalLoadBalancerPool": {
            "addresses": {"total": 5, "used": 2, "free": 3},
            "conditions": true,
        },
        "IPAddressPool": dict.fromkeys(
            ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6"), 2**40
        ),
        "ServiceL2Status": {
            "node": "node-1",
            "serviceName": "web",
            "serviceNamespace": "default",
            "interfaces": [{"name": "eno1"}],
        },
        "ServiceBGPStatus": {
            "node": "node-1",
            "serviceName": "web",
            "serviceNamespace": "default",
            "peers": ["left"],
        },
    }
    where = path_of(api, kind)
    (await api.post(where, body_of(kind, "shown", specs.get(kind)))).ok(201)
    status = statuses.get(kind, {"conditions": true})
    (await api.patch(f"{where}/shown/status", {"status": status})).ok()
    plural = f"{DEFINED[kind]['spec']['names']['plural']}.{DEFINED[kind]['spec']['group']}"
    _, out, _ = await api.kubectl("get", plural, "shown")
    first, second = out.splitlines()
    assert " ".join(first.split()) == head
    assert " ".join(second.split()[:-1]) == line


def test_every_rule_has_an_object_that_breaks_it() -> None:
    said = [case["says"] for cases in BAD.values() for case in cases if "says" in case]
    elsewhere = {"cannot be changed", "the address of a VirtualIP cannot be changed"}
    for kind in SHAPES:
        for path, level in levels(schema_of(kind)):
            for rule in level.get("x-kubernetes-validations", ()):
                is_broken = any(words in rule["message"] for words in said)
                assert is_broken or rule["message"] in elsewhere, (kind, path, rule)


def test_every_limited_field_has_an_object_that_breaks_it() -> None:
    limits = ("enum", "pattern", "minimum", "maximum", "format")
    for kind in SHAPES:
        broken = {f".{case['field']}".replace("[0]", "[]") for case in BAD.get(kind, ())}
        for path, level in levels(schema_of(kind)):
            is_limited = any(limit in level for limit in limits)
            is_number_size = level.get("format") in ("int32", "int64") and "minimum" not in level
            if path.startswith(".spec") and is_limited and not is_number_size:
                assert path in broken, (kind, path)
