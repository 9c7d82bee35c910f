"""Admission webhooks: when they are called, with what, and what their answers do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from contract.api import config_map, service
from contract.crds import group_of, widget, with_crd
from contract.hooks import Configuration, Hooks, patch, rule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contract.api import Api


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    async with Hooks(tmp_path) as running:
        yield running


def validating(api: Api, hooks: Hooks, *webhooks: Any) -> Configuration:
    return Configuration(api, hooks, "Validating", *webhooks)


def mutating(api: Api, hooks: Hooks, *webhooks: Any) -> Configuration:
    return Configuration(api, hooks, "Mutating", *webhooks)


async def test_what_a_validating_webhook_gets(api: Api, hooks: Hooks) -> None:
    path = f"{api.core}/services"
    every = rule("services", "CREATE", "UPDATE", "DELETE")
    async with validating(api, hooks, {"rules": [every], "path": "v"}):
        made = (await api.post(path, service("s"), fieldManager="suite")).ok(201)
        changed = (await api.patch(f"{path}/s", {"spec": {"selector": {"a": "b"}}})).ok()
        (await api.delete(f"{path}/s")).ok()
    create, update, delete = hooks.requests("v")
    kind = {"group": "", "version": "v1", "kind": "Service"}
    resource = {"group": "", "version": "v1", "resource": "services"}
    for request, operation in ((create, "CREATE"), (update, "UPDATE"), (delete, "DELETE")):
        assert request["operation"] == operation
        assert request["kind"] == request["requestKind"] == kind
        assert request["resource"] == request["requestResource"] == resource
        assert request["name"] == "s"
        assert request["namespace"] == api.namespace
        assert request["dryRun"] is False
        assert request["userInfo"]["username"] == "admin"
        assert "system:masters" in request["userInfo"]["groups"]
        assert "system:authenticated" in request["userInfo"]["groups"]
    assert create["oldObject"] is None
    assert create["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    assert create["object"]["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert create["object"]["kind"] == "Service"
    assert create["options"]["kind"] == "CreateOptions"
    assert create["options"]["fieldManager"] == "suite"
    assert update["oldObject"]["metadata"] == made["metadata"]
    assert update["object"]["spec"] == changed["spec"]
    assert delete["object"] is None
    assert delete["oldObject"]["spec"] == changed["spec"]


async def test_a_refusal(api: Api, hooks: Hooks) -> None:
    path = f"{api.core}/configmaps"
    status = {"code": 422, "reason": "Invalid", "message": "not this one"}
    hooks.answers["v"] = lambda request: {"allowed": False, "status": status}
    async with validating(api, hooks, {"rules": [rule("configmaps")], "path": "v"}):
        body = (await api.post(path, config_map("a"))).failed(422, "Invalid")
        text = 'admission webhook "h0.lab.example.com" denied the request'
        assert body["message"] == f"{text}: not this one"
        hooks.answers["v"] = lambda request: {"allowed": False}
        answer = await api.post(path, config_map("a"))
        assert answer.status == 400
        assert answer.body["message"] == f"{text} without explanation"
    (await api.get(f"{path}/a")).failed(404, "NotFound")


async def test_warnings(api: Api, hooks: Hooks) -> None:
    hooks.answers["v"] = lambda request: {"allowed": True, "warnings": ["mind the gap"]}
    async with validating(api, hooks, {"rules": [rule("configmaps")], "path": "v"}):
        answer = await api.post(f"{api.core}/configmaps", config_map("a"))
        answer.ok(201)
        assert answer.warnings == ['299 - "mind the gap"']


async def test_failure_policies(api: Api, hooks: Hooks) -> None:
    path = f"{api.core}/configmaps"
    hooks.answers["bad"] = lambda request: web.Response(status=500, text="broken")
    failing = {"rules": [rule("configmaps")], "path": "bad"}
    async with validating(api, hooks, {**failing, "failurePolicy": "Ignore"}):
        (await api.post(path, config_map("a"))).ok(201)
        assert len(hooks.requests("bad")) == 1
    async with validating(api, hooks, {**failing, "failurePolicy": "Fail"}):
        body = (await api.post(path, config_map("b"))).failed(500, "InternalError")
        assert 'failed calling webhook "h0.lab.example.com"' in body["message"]


async def test_answers_that_are_none(api: Api, hooks: Hooks) -> None:
    path = f"{api.core}/configmaps"
    async with validating(api, hooks, {"rules": [rule("configmaps")], "path": "v"}):
        for bad in (
            {"response": {"uid": "other", "allowed": True}},
            {"response": None},
            {"response": {"allowed": True}},
            {"allowed": True, "patch": "W10=", "patchType": "JSONPatch"},
        ):
            hooks.answers["v"] = lambda request, bad=bad: bad  # type: ignore[misc]
            body = (await api.post(path, config_map("a"))).failed(500, "InternalError")
            assert "received invalid webhook response" in body["message"], bad


async def test_a_webhook_that_takes_too_long(api: Api, hooks: Hooks) -> None:
    over = asyncio.Event()

    async def slow(request: Any) -> Any:
        await over.wait()
        return {"response": {"uid": request["uid"], "allowed": True}}

    hooks.answers["slow"] = slow
    # long enough for a handshake on a busy machine: one that is cut off leaves an open socket
    late = {"rules": [rule("configmaps")], "path": "slow", "timeoutSeconds": 3}
    async with validating(api, hooks, {**late, "failurePolicy": "Fail"}):
        answer = await api.post(f"{api.core}/configmaps", config_map("a"))
        body = answer.failed(500, "InternalError")
        assert "context deadline exceeded" in body["message"]
        over.set()


async def test_a_certificate_that_nobody_vouches_for(
    api: Api, hooks: Hooks, tmp_path: Path
) -> None:
    from metallb_lab.apiserver.certificates import write_serving

    good = hooks.client_config("v")
    write_serving(tmp_path / "other", ["x"], [])
    stranger = Hooks(tmp_path / "other", port=hooks.port).client_config("v")
    config = {**good, "caBundle": stranger["caBundle"]}
    hook = {"rules": [rule("configmaps")], "path": "v"}
    configuration = validating(api, hooks, hook, {**hook, "clientConfig": config})
    async with configuration:
        body = (await api.post(f"{api.core}/configmaps", config_map("a"))).failed(
            500, "InternalError"
        )
        assert 'failed calling webhook "h1.lab.example.com"' in body["message"]


async def test_mutation(api: Api, hooks: Hooks) -> None:
    first = patch({"op": "add", "path": "/metadata/labels", "value": {"first": "1"}})
    second = patch({"op": "add", "path": "/metadata/labels/second", "value": "2"},
                   {"op": "add", "path": "/data", "value": {"k": "v"}})  # fmt: skip
    hooks.answers |= {"one": lambda request: first, "two": lambda request: second}
    rules = [rule("configmaps", "CREATE")]
    async with mutating(
        api, hooks, {"rules": rules, "path": "one"}, {"rules": rules, "path": "two"}
    ):
        made = (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    assert made["metadata"]["labels"] == {"first": "1", "second": "2"}
    assert made["data"] == {"k": "v"}
    assert hooks.requests("two")[0]["object"]["metadata"]["labels"] == {"first": "1"}


async def test_mutated_objects_are_defaulted_and_validated(api: Api, hooks: Hooks) -> None:
    hooks.answers["m"] = lambda request: patch(
        {"op": "replace", "path": "/spec/type", "value": "LoadBalancer"}
    )
    async with mutating(api, hooks, {"rules": [rule("services", "CREATE")], "path": "m"}):
        made = (await api.post(f"{api.core}/services", service("s"))).ok(201)
        assert made["spec"]["allocateLoadBalancerNodePorts"] is True
        hooks.answers["m"] = lambda request: patch(
            {"op": "replace", "path": "/spec/type", "value": "Odd"}
        )
        found = (await api.post(f"{api.core}/services", service("t"))).causes()
        assert ("FieldValueNotSupported", "spec.type") in found


async def test_validating_webhooks_see_what_mutating_ones_made(api: Api, hooks: Hooks) -> None:
    hooks.answers["m"] = lambda request: patch(
        {"op": "add", "path": "/data", "value": {"made": "yes"}}
    )
    rules = [rule("configmaps", "CREATE")]
    async with (
        mutating(api, hooks, {"rules": rules, "path": "m"}),
        validating(api, hooks, {"rules": rules, "path": "v"}),
    ):
        (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    assert hooks.requests("v")[-1]["object"]["data"] == {"made": "yes"}


async def test_reinvocation(api: Api, hooks: Hooks) -> None:
    def stamp(request: Any) -> Any:
        count = len(request["object"].get("data", {}))
        return patch(
            {"op": "add", "path": "/data", "value": {str(n): "" for n in range(count + 1)}}
        )

    hooks.answers |= {"one": lambda request: {"allowed": True}, "two": stamp}
    rules = [rule("configmaps", "CREATE")]
    async with mutating(
        api,
        hooks,
        {"rules": rules, "path": "one", "reinvocationPolicy": "IfNeeded"},
        {"rules": rules, "path": "two"},
    ):
        (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    assert len(hooks.requests("one")) == 2
    assert len(hooks.requests("two")) == 1
    assert hooks.requests("one")[1]["object"]["data"] == {"0": ""}


def asked_of(request: Any) -> tuple[str, ...]:
    """What a request is about: a server whose cache is behind asks the webhooks once more."""
    old = (request["oldObject"] or {"metadata": {}})["metadata"]
    about = request["resource"]["resource"], request.get("subResource", "")
    return (request["operation"], *about, request["name"], old.get("resourceVersion", ""))


async def test_rules_and_selectors(api: Api, hooks: Hooks) -> None:
    selected = {"matchLabels": {"watch": "me"}}
    everything = {**rule("*", "CREATE", group="*", version="*"), "scope": "Namespaced"}
    async with validating(
        api,
        hooks,
        {"rules": [rule("services")], "path": "services"},
        {"rules": [rule("services/status", "UPDATE")], "path": "status"},
        {"rules": [rule("services/*", "UPDATE")], "path": "below"},
        {"rules": [everything], "path": "all"},
        {"rules": [rule("configmaps")], "path": "selected", "objectSelector": selected},
        {"rules": [{**rule("configmaps"), "scope": "Cluster"}], "path": "cluster"},
        {"rules": [{**rule("configmaps"), "scope": "Namespaced"}], "path": "namespaced"},
        {"rules": [rule("configmaps", "DELETE")], "path": "deletes"},
        {"rules": [rule("configmaps", version="v2")], "path": "version"},
    ):
        (await api.post(f"{api.core}/services", service("s", type="LoadBalancer"))).ok(201)
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        (await api.patch(f"{api.core}/services/s/status", status)).ok()
        (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
        (
            await api.patch(f"{api.core}/configmaps/a", {"metadata": {"labels": {"watch": "me"}}})
        ).ok()
        (await api.patch(f"{api.core}/configmaps/a", {"metadata": {"labels": None}})).ok()
    counts = {path: len({asked_of(r) for r in hooks.requests(path)}) for path in hooks.calls}
    assert counts == {
        "services": 1, "status": 1, "below": 1, "all": 2, "selected": 2, "namespaced": 3,
    }  # fmt: skip
    assert hooks.requests("status")[0]["subResource"] == "status"


async def test_other_namespaces_are_not_concerned(api: Api, hooks: Hooks) -> None:
    async with validating(api, hooks, {"rules": [rule("configmaps")], "path": "v"}):
        path = "/api/v1/namespaces/default/configmaps"
        (await api.post(path, config_map(api.namespace))).ok(201)
        (await api.delete(f"{path}/{api.namespace}")).ok()
    assert hooks.requests("v") == []


async def test_dry_runs_are_told(api: Api, hooks: Hooks) -> None:
    hook = {"rules": [rule("configmaps")], "path": "v", "sideEffects": "NoneOnDryRun"}
    async with validating(api, hooks, hook):
        (await api.post(f"{api.core}/configmaps", config_map("a"), dryRun="All")).ok(201)
    (request,) = hooks.requests("v")
    assert request["dryRun"] is True
    assert request["options"]["dryRun"] == ["All"]


@with_crd(
    versions=[
        {
            "name": name,
            "served": True,
            "storage": name == "v2",
            "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            },
        }
        for name in ("v1", "v2")
    ]
)
async def test_equivalent_versions(api: Api, hooks: Hooks, path: str) -> None:
    group = group_of(api)
    async with validating(
        api,
        hooks,
        {"rules": [rule("widgets", group=group, version="v2")], "path": "equivalent"},
        {
            "rules": [rule("widgets", group=group, version="v2")],
            "path": "exact",
            "matchPolicy": "Exact",
        },
    ):
        (await api.post(path, widget(api, "w", {"a": 1}))).ok(201)
    assert hooks.requests("exact") == []
    (request,) = hooks.requests("equivalent")
    assert request["kind"]["version"] == "v2"
    assert request["requestKind"]["version"] == "v1"
    assert request["object"]["apiVersion"] == f"{group}/v2"
