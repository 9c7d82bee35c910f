"""Label and field selectors: what they select and which strings are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.api import config_map, pod, service

if TYPE_CHECKING:
    from contract.api import Api


async def names(api: Api, plural: str, **query: str) -> list[str]:
    answer = await api.get(f"{api.core}/{plural}", **query)
    return [item["metadata"]["name"] for item in answer.ok()["items"]]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", "abcd"),
        ("tier=web", "ab"),
        ("tier==web", "ab"),
        ("tier!=web", "cd"),
        ("tier", "abc"),
        ("!tier", "d"),
        ("tier in (web,db)", "abc"),
        ("tier in ( web , db ), zone", "a"),
        ("tier notin (web)", "cd"),
        ("tier notin ()", "abcd"),
        ("tier in (web),zone=x", "a"),
        ("zone=", ""),
        ("weight>5", "b"),
        ("weight<5", "a"),
        ("example.com/role=x", "c"),
        ("tier=nope", ""),
    ],
)
async def test_label_selectors(api: Api, selector: str, selected: str) -> None:
    labels = {
        "a": {"tier": "web", "zone": "x", "weight": "1"},
        "b": {"tier": "web", "weight": "10"},
        "c": {"tier": "db", "example.com/role": "x"},
        "d": {},
    }
    for name, given in labels.items():
        (await api.post(f"{api.core}/configmaps", config_map(name, labels=given))).ok(201)
    assert await names(api, "configmaps", labelSelector=selector) == list(selected)


@pytest.mark.parametrize(
    "selector",
    ["a b", "a=b=c", "a in (b", "a,,b", "a=@", "/x=1", "a > x", "=1", "!a=b", "a in b", ",", "a,"],
)
async def test_label_selectors_that_are_refused(api: Api, selector: str) -> None:
    answer = await api.get(f"{api.core}/configmaps", labelSelector=selector)
    answer.failed(400, "BadRequest")


@pytest.mark.parametrize(
    "selector",
    ["a b", "a=b=c", "a in (b", "a,,b", "a=@", "/x=1", "a > x", "=1", "!a=b", "a in b", ","],
)
async def test_why_label_selectors_are_refused(api: Api, selector: str) -> None:
    """The messages are apimachinery's, so both servers say the same."""
    expected = {
        "a b": "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        "a=b=c": "found '=', expected: ',' or 'end of string'",
        "a in (b": "unable to parse requirement: found '', expected: ',' or ')'",
        "a,,b": "found ',', expected: identifier after ','",
        "a=@": 'unable to parse requirement: values[0][a]: Invalid value: "@": a valid label',
        "/x=1": 'unable to parse requirement: <nil>: Invalid value: "/x": prefix part must be',
        "a > x": "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt'",
        "=1": "found '=', expected: !, identifier, or 'end of string'",
        "!a=b": "found '=', expected: ',' or 'end of string'",
        "a in b": "unable to parse requirement: found 'b' expected: '('",
        ",": "found ',', expected: !, identifier, or 'end of string'",
    }
    answer = await api.get(f"{api.core}/configmaps", labelSelector=selector)
    assert answer.failed(400, "BadRequest")["message"].startswith(expected[selector])


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("metadata.name!=a", "bc"),
        ("spec.type=LoadBalancer", "b"),
        ("spec.clusterIP=None", "c"),
        ("spec.type!=LoadBalancer,metadata.name!=a", "c"),
        ("metadata.name=nope", ""),
    ],
)
async def test_field_selectors_of_services(api: Api, selector: str, selected: str) -> None:
    (await api.post(f"{api.core}/services", service("a"))).ok(201)
    (await api.post(f"{api.core}/services", service("b", type="LoadBalancer"))).ok(201)
    (await api.post(f"{api.core}/services", service("c", clusterIP="None"))).ok(201)
    assert await names(api, "services", fieldSelector=selector) == list(selected)


async def test_field_selectors_of_pods(api: Api) -> None:
    (await api.post(f"{api.core}/pods", pod("a", nodeName="n1"))).ok(201)
    (await api.post(f"{api.core}/pods", pod("b", restartPolicy="Never"))).ok(201)
    running = {"status": {"phase": "Running"}}
    (await api.patch(f"{api.core}/pods/b/status", running)).ok()
    for selector, selected in (
        ("spec.nodeName=n1", "a"),
        ("spec.nodeName=", "b"),
        ("status.phase=Running", "b"),
        ("status.phase!=Running", "a"),
        ("spec.restartPolicy=Never", "b"),
        ("spec.hostNetwork=false", "ab"),
    ):
        assert await names(api, "pods", fieldSelector=selector) == list(selected), selector


@pytest.mark.parametrize(
    ("plural", "selector", "message"),
    [
        ("services", "spec.foo=1", "field label not supported: spec.foo"),
        ("services", "type=ClusterIP", "field label not supported: type"),
        ("services", "metadata.uid=1", "field label not supported: metadata.uid"),
        ("services", "metadata.name", "invalid selector: 'metadata.name'; can't understand"),
        ("services", "metadata.name=a=b", "invalid field selector: unescaped character in value"),
        ("pods", "x=1", "field label not supported: x"),
        ("events", "x=1", "field label not supported: x"),
        ("secrets", "x=1", "field label not supported: x"),
        ("configmaps", "x=1", '"x" is not a known field selector: only "metadata.name"'),
        ("endpoints", "x=1", '"x" is not a known field selector: only "metadata.name"'),
    ],
)
async def test_field_selectors_that_are_refused(
    api: Api, plural: str, selector: str, message: str
) -> None:
    answer = await api.get(f"{api.core}/{plural}", fieldSelector=selector)
    assert answer.failed(400, "BadRequest")["message"].startswith(message)


async def test_field_selectors_of_other_kinds(api: Api) -> None:
    found = (await api.get("/api/v1/namespaces", fieldSelector="status.phase=Active")).ok()
    assert api.namespace in {item["metadata"]["name"] for item in found["items"]}
    (await api.get("/api/v1/namespaces", fieldSelector="metadata.namespace=x")).failed(
        400, "BadRequest"
    )
    (await api.get("/api/v1/nodes", fieldSelector="spec.unschedulable=false")).ok()
    (await api.get("/api/v1/nodes", fieldSelector="metadata.namespace=x")).failed(400, "BadRequest")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "lab/x"}
    (await api.post(f"{api.core}/secrets", secret)).ok(201)
    assert await names(api, "secrets", fieldSelector="type=lab/x") == ["s"]
    assert await names(api, "secrets", fieldSelector="type=Opaque") == []
