"""CRDs whose versions a webhook converts: when it is asked, with what, what its answers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from contract.api import eventually
from contract.crds import ANYTHING, DEFINITIONS, definition, established, group_of
from contract.hooks import Configuration, Hooks, rule
from metallb_lab.apiserver.documents import copied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contract.api import Api, Document


class Converter(Hooks):
    """Moves `spec.text` of v1 to `spec.words` of v2, which is stored, and back."""

    async def _handle(self, request: web.Request) -> web.Response:
        if request.match_info["path"] != "convert":
            return await super()._handle(request)
        review = await request.json()
        self.calls.setdefault("convert", []).append(review)
        asked = review["request"]
        wanted = asked["desiredAPIVersion"]
        good = {
            "uid": asked["uid"],
            "result": {"status": "Success"},
            "convertedObjects": [converted(value, wanted) for value in asked["objects"]],
        }
        answer = self.answers.get("convert")
        response = good if answer is None else answer(good)
        if isinstance(response, web.Response):
            response.force_close()
            return response
        head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}
        done = web.json_response({**head, "response": response})
        done.force_close()
        return done


def converted(value: Document, version: str) -> Document:
    found: Document = copied(value)
    found["apiVersion"] = version
    spec = found.setdefault("spec", {})
    if version.endswith("/v2") and "text" in spec:
        spec["words"] = spec.pop("text").split()
    if version.endswith("/v1") and "words" in spec:
        spec["text"] = " ".join(spec.pop("words"))
    found["metadata"].setdefault("annotations", {})["converted-to"] = version.rpartition("/")[2]
    return found


@pytest.fixture
async def hooks(api: Api, tmp_path: Path) -> AsyncIterator[Converter]:
    """A converter; its CRD goes first, since the real server fills its caches at any time."""
    async with Converter(tmp_path) as running:
        yield running
        running.answers.clear()
        where = f"{DEFINITIONS}/widgets.{group_of(api)}"

        async def is_gone() -> bool:
            await api.delete(where)
            return (await api.get(where)).status == 404

        await eventually(is_gone)


def crd(api: Api, hooks: Converter) -> Document:
    def version(name: str, field: Document, *, storage: bool) -> Document:
        properties = {"spec": {"type": "object", "properties": field}, "status": ANYTHING}
        return {
            "name": name,
            "served": True,
            "storage": storage,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        }

    words = {"type": "array", "items": {"type": "string"}, "maxItems": 4}
    versions = [
        version("v1", {"text": {"type": "string", "maxLength": 20}}, storage=False),
        version("v2", {"words": words}, storage=True),
    ]
    webhook = {"clientConfig": hooks.client_config("convert"), "conversionReviewVersions": ["v1"]}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    return definition(api, versions=versions, conversion=conversion)


async def served(api: Api, hooks: Converter) -> tuple[str, str]:
    """The paths of both versions."""
    body = crd(api, hooks)
    path = await established(api, body)
    where = path.replace(f"/{path.split('/')[3]}/", "/{}/")
    return where.format("v1"), where.format("v2")


def widget(api: Api, version: str, name: str, **spec: Any) -> Document:
    api_version = f"{group_of(api)}/{version}"
    return {
        "apiVersion": api_version,
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }


async def test_each_version_is_read_and_written_through_the_webhook(
    api: Api, hooks: Converter
) -> None:
    v1, v2 = await served(api, hooks)
    made = (await api.post(v1, widget(api, "v1", "a", text="x y"))).ok(201)
    assert (made["apiVersion"], made["spec"]) == (f"{group_of(api)}/v1", {"text": "x y"})
    stored = (await api.get(f"{v2}/a")).ok()
    assert (stored["apiVersion"], stored["spec"]) == (f"{group_of(api)}/v2", {"words": ["x", "y"]})
    shown = (await api.get(f"{v1}/a")).ok()
    assert shown["spec"] == {"text": "x y"}
    assert shown["metadata"]["uid"] == stored["metadata"]["uid"] == made["metadata"]["uid"]
    assert shown["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]
    assert shown["metadata"]["annotations"] == {"converted-to": "v1"}
    [first, *_] = hooks.calls["convert"]
    request = first["request"]
    assert (first["kind"], first["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
    assert request["desiredAPIVersion"] == f"{group_of(api)}/v2"
    assert [item["spec"] for item in request["objects"]] == [{"text": "x y"}]


async def test_the_stored_version_is_not_asked_about(api: Api, hooks: Converter) -> None:
    _v1, v2 = await served(api, hooks)
    (await api.post(v2, widget(api, "v2", "a", words=["x"]))).ok(201)
    (await api.patch(f"{v2}/a", {"spec": {"words": ["y"]}})).ok()
    [item] = (await api.get(v2)).ok()["items"]
    assert item["spec"] == {"words": ["y"]}
    assert "annotations" not in item["metadata"]
    asked = {call["request"]["desiredAPIVersion"] for call in hooks.calls.get("convert", [])}
    assert asked <= {f"{group_of(api)}/v1"}  # what the real one keeps for readers of v1


async def test_changes_are_made_and_judged_in_the_version_of_the_request(
    api: Api, hooks: Converter
) -> None:
    v1, v2 = await served(api, hooks)
    (await api.post(v2, widget(api, "v2", "a", words=["x"]))).ok(201)
    changed = (await api.patch(f"{v1}/a", {"spec": {"text": "y z"}})).ok()
    assert changed["spec"] == {"text": "y z"}
    assert changed["metadata"]["generation"] == 2
    assert (await api.get(f"{v2}/a")).ok()["spec"] == {"words": ["y", "z"]}
    changed["spec"]["text"] = "z"
    again = (await api.put(f"{v1}/a", changed)).ok()
    assert (again["spec"], again["metadata"]["generation"]) == ({"text": "z"}, 3)
    long = await api.patch(f"{v1}/a", {"spec": {"text": "x" * 21}})
    assert long.causes() == {("FieldValueTooLong", "spec.text")}
    # one too many for the stored version's schema, which nobody asks
    many = (await api.patch(f"{v1}/a", {"spec": {"text": "a b c d e"}})).ok()
    assert many["spec"] == {"text": "a b c d e"}


async def test_status_too(api: Api, hooks: Converter) -> None:
    v1, v2 = await served(api, hooks)
    (await api.post(v2, widget(api, "v2", "a", words=["x"]))).ok(201)
    body = (await api.patch(f"{v1}/a/status", {"status": {"ready": True}})).ok()
    assert (body["spec"], body["status"]) == ({"text": "x"}, {"ready": True})
    assert body["metadata"]["generation"] == 1
    found = (await api.get(f"{v2}/a")).ok()
    assert (found["spec"], found["status"]) == ({"words": ["x"]}, {"ready": True})


async def test_lists_and_watches(api: Api, hooks: Converter) -> None:
    v1, v2 = await served(api, hooks)
    for name in "ab":
        (await api.post(v2, widget(api, "v2", name, words=[name, "x"]))).ok(201)
    listed = (await api.get(v1)).ok()
    assert listed["apiVersion"] == f"{group_of(api)}/v1"
    assert [item["spec"] for item in listed["items"]] == [{"text": "a x"}, {"text": "b x"}]
    version = listed["metadata"]["resourceVersion"]
    async with api.watch(v1, resourceVersion=version) as watching:
        (await api.patch(f"{v2}/a", {"spec": {"words": ["new"]}})).ok()
        (await api.delete(f"{v2}/b")).ok()
        changed, gone = await watching.next(), await watching.next()
    assert (changed["type"], changed["object"]["spec"]) == ("MODIFIED", {"text": "new"})
    assert (gone["type"], gone["object"]["spec"]) == ("DELETED", {"text": "b x"})
    async with api.watch(v1) as watching:
        first = await watching.next()
    assert (first["type"], first["object"]["spec"]) == ("ADDED", {"text": "new"})


async def test_admission_sees_the_version_that_its_rules_name(api: Api, hooks: Converter) -> None:
    v1, _v2 = await served(api, hooks)
    rules = [rule("widgets", "CREATE", "UPDATE", "DELETE", group=group_of(api), version="v2")]
    hook = {"rules": rules, "path": "v", "matchPolicy": "Equivalent"}
    async with Configuration(api, hooks, "Validating", hook):
        (await api.post(v1, widget(api, "v1", "a", text="x y"))).ok(201)
        (await api.delete(f"{v1}/a")).ok()
    create, delete = hooks.requests("v")
    assert create["object"]["spec"] == delete["oldObject"]["spec"] == {"words": ["x", "y"]}
    assert create["kind"]["version"] == "v2"
    assert create["requestKind"]["version"] == "v1"


FAILURES: list[tuple[Any, str]] = [
    (lambda good: {**good, "result": {"status": "Failed", "message": "not today"}}, "not today"),
    (lambda good: {**good, "uid": "other"}, "expected response.uid="),
    (lambda good: {**good, "convertedObjects": []}, "returned 0 objects, expected 1"),
    (
        lambda good: {
            **good,
            "convertedObjects": [
                {**item, "apiVersion": "other/v1"} for item in good["convertedObjects"]
            ],
        },
        "invalid groupVersion",
    ),
    (
        lambda good: {
            **good,
            "convertedObjects": [{**item, "kind": "Gadget"} for item in good["convertedObjects"]],
        },
        "invalid kind (expected Widget, received Gadget)",
    ),
    (lambda good: web.Response(status=500, text="broken"), "failed"),
]


async def test_failures_are_told_and_store_nothing(api: Api, hooks: Converter) -> None:
    v1, v2 = await served(api, hooks)
    for answer, why in FAILURES:
        hooks.answers["convert"] = answer
        body = (await api.post(v1, widget(api, "v1", "a", text="x"))).failed(500, "")
        assert body["message"].startswith(
            f"conversion webhook for {group_of(api)}/v1, Kind=Widget "
        ), body
        assert why in body["message"], body
    (await api.get(f"{v2}/a")).failed(404, "NotFound")


async def test_labels_and_annotations_are_all_that_it_may_change_of_metadata(
    api: Api, hooks: Converter
) -> None:
    v1, v2 = await served(api, hooks)
    (await api.post(v2, widget(api, "v2", "a", words=["x"]))).ok(201)

    def tampering(good: Document) -> Document:
        for item in good["convertedObjects"]:
            item["metadata"]["finalizers"] = ["lab.example.com/x"]
            item["metadata"]["labels"] = {"l": "1"}
        return good

    hooks.answers["convert"] = tampering
    shown = (await api.get(f"{v1}/a")).ok()["metadata"]
    assert "finalizers" not in shown
    assert shown["labels"] == {"l": "1"}


async def test_definitions_that_are_refused(api: Api, hooks: Converter) -> None:
    good = crd(api, hooks)
    webhook = good["spec"]["conversion"]["webhook"]

    async def causes(conversion: Document) -> set[tuple[str, str]]:
        body = {**good, "spec": {**good["spec"], "conversion": conversion}}
        return (await api.post(DEFINITIONS, body, dryRun="All")).causes()

    client, versions = (
        "spec.conversion.webhookClientConfig",
        "spec.conversion.conversionReviewVersions",
    )
    assert ("FieldValueRequired", client) in await causes(
        {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}
    )
    assert ("FieldValueRequired", versions) in await causes(
        {"strategy": "Webhook", "webhook": {**webhook, "conversionReviewVersions": []}}
    )
    assert ("FieldValueForbidden", client) in await causes({"strategy": "None", "webhook": webhook})
    assert ("FieldValueNotSupported", "spec.conversion.strategy") in await causes(
        {"strategy": "Magic"}
    )
    both = {**webhook["clientConfig"], "service": {"name": "a", "namespace": "b"}}
    assert ("FieldValueRequired", client) in await causes(
        {"strategy": "Webhook", "webhook": {**webhook, "clientConfig": both}}
    )
