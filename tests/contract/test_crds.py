"""CRDs: names, conditions, versions, columns, status, their life and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import STRATEGIC, Document, brief, eventually
from contract.crds import (
    ANYTHING,
    DEFINITIONS,
    condition,
    definition,
    established,
    group_of,
    widget,
    widgets,
    with_crd,
)

if TYPE_CHECKING:
    from contract.api import Api


async def refused(api: Api, body: Document) -> set[tuple[str, str]]:
    return (await api.post(DEFINITIONS, body)).causes()


async def test_before_it_exists_there_is_nothing(api: Api) -> None:
    path = f"/apis/{group_of(api)}/v1/namespaces/{api.namespace}/widgets"
    assert (await api.get(path)).status == 404
    assert (await api.post(path, widget(api, "w"))).status == 404


async def test_a_crd_is_accepted_and_established(api: Api) -> None:
    body = definition(api, names={"shortNames": ["wd"], "categories": ["all"]})
    name = body["metadata"]["name"]
    made = (await api.post(DEFINITIONS, body)).ok(201)
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["names"] == {
        "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList",
        "shortNames": ["wd"], "categories": ["all"],
    }  # fmt: skip
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"]["storedVersions"] == ["v1"]

    async def settled() -> Any:
        crd = (await api.get(f"{DEFINITIONS}/{name}")).ok()
        return crd if condition(crd, "Established") == "True" else None

    crd = await eventually(settled)
    assert condition(crd, "NamesAccepted") == "True"
    assert crd["status"]["acceptedNames"] == crd["spec"]["names"]
    reasons = {c["type"]: c["reason"] for c in crd["status"]["conditions"]}
    assert reasons == {"NamesAccepted": "NoConflicts", "Established": "InitialNamesAccepted"}


async def test_names_that_are_taken(api: Api) -> None:
    await widgets(api)
    other = definition(api, names={"plural": "gadgets"})
    (await api.post(DEFINITIONS, other)).ok(201)
    name = other["metadata"]["name"]

    async def settled() -> Any:
        crd = (await api.get(f"{DEFINITIONS}/{name}")).ok()
        return crd if condition(crd, "NamesAccepted") else None

    crd = await eventually(settled)
    assert condition(crd, "NamesAccepted") == "False"
    assert condition(crd, "Established") == "False"
    reasons = {c["type"]: c["reason"] for c in crd["status"]["conditions"]}
    assert reasons == {"NamesAccepted": "ListKindConflict", "Established": "NotAccepted"}
    assert (await api.get(f"/apis/{group_of(api)}/v1/gadgets")).status == 404


async def test_discovery_tells_of_it(api: Api) -> None:
    await widgets(api, names={"shortNames": ["wd"], "categories": ["all"]})

    async def listed() -> Any:
        answer = await api.get(f"/apis/{group_of(api)}/v1")
        return answer.body["resources"] if answer.status == 200 else None

    resources = {r["name"]: r for r in await eventually(listed)}
    found = resources["widgets"]
    assert found["kind"] == "Widget"
    assert found["singularName"] == "widget"
    assert found["namespaced"] is True
    assert (found["shortNames"], found["categories"]) == (["wd"], ["all"])
    assert set(found["verbs"]) == {
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    }  # fmt: skip
    assert set(resources["widgets/status"]["verbs"]) == {"get", "patch", "update"}
    groups = (await api.get("/apis")).ok()["groups"]
    assert group_of(api) in {g["name"] for g in groups}


# ---------------------------------------------------------------- refusals


async def test_crds_that_are_refused(api: Api) -> None:
    body = definition(api)
    body["metadata"]["name"] = "other.example.com"
    assert await refused(api, body) == {("FieldValueInvalid", "metadata.name")}
    body = definition(api)
    del body["spec"]["versions"][0]["schema"]
    found = await refused(api, body)
    assert found == {("FieldValueRequired", "spec.versions[0].schema.openAPIV3Schema")}
    body = definition(api, version={"storage": False})
    assert ("FieldValueInvalid", "spec.versions") in await refused(api, body)
    body = definition(api, scope="Everywhere")
    assert ("FieldValueNotSupported", "spec.scope") in await refused(api, body)
    body = definition(api, names={"plural": "Widgets"})
    assert ("FieldValueInvalid", "spec.names.plural") in await refused(api, body)
    body = definition(api, names={"listKind": "Widget"})
    assert ("FieldValueInvalid", "spec.names.listKind") in await refused(api, body)
    body = definition(api, group="nodot")
    assert ("FieldValueInvalid", "spec.group") in await refused(api, body)


async def test_what_is_fixed_once_it_is_established(api: Api) -> None:
    await widgets(api)
    path = f"{DEFINITIONS}/widgets.{group_of(api)}"
    found = (await api.patch(path, {"spec": {"scope": "Cluster"}})).causes()
    assert ("FieldValueInvalid", "spec.scope") in found
    kept = (await api.patch(path, {"spec": {"names": {"shortNames": ["wd"]}}})).ok()
    assert kept["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"properties": {"a": {}}}, "properties[spec].type"),
        ({"type": "object", "properties": {"a": {}}}, "properties[spec].properties[a].type"),
        (
            {"type": "object", "properties": {"a": {"type": "array"}}},
            "properties[spec].properties[a].items",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
            "properties[spec].properties[a].items.type",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "text"}}},
            "properties[spec].properties[a].type",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
            "properties[spec].properties[a].pattern",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}},
            "properties[spec].properties[a].default",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
            "properties[spec].additionalProperties",
        ),
        (
            {"type": "object", "anyOf": [{"type": "object"}]},
            "properties[spec].anyOf[0].type",
        ),
        (
            {
                "type": "object",
                "properties": {
                    "l": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                    }
                },
            },
            "properties[spec].properties[l].x-kubernetes-list-map-keys",
        ),
        (
            {
                "type": "object",
                "properties": {
                    "l": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                    }
                },
            },
            "properties[spec].properties[l].items.properties[k].default",
        ),
        (
            {
                "type": "object",
                "properties": {"l": {"type": "array", "uniqueItems": True,
                                     "items": {"type": "string"}}},
            },
            "properties[spec].properties[l].uniqueItems",
        ),
        (
            {"type": "object", "x-kubernetes-validations": [{"rule": " "}]},
            "properties[spec].x-kubernetes-validations[0].rule",
        ),
        (
            {"type": "object", "x-kubernetes-map-type": "odd"},
            "properties[spec].x-kubernetes-map-type",
        ),
    ],
)  # fmt: skip
async def test_schemas_that_are_refused(api: Api, schema: Document, field: str) -> None:
    found = await refused(api, definition(api, schema))
    assert f"spec.validation.openAPIV3Schema.{field}" in {name for _, name in found}


async def test_the_root_of_a_schema(api: Api) -> None:
    root = "spec.validation.openAPIV3Schema"
    for schema, field in (
        ({"type": "string"}, f"{root}.type"),
        ({"type": "object", "additionalProperties": {"type": "string"}},
         f"{root}.additionalProperties"),
        ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {
            "labels": {"type": "object"}}}}}, f"{root}.properties[metadata]"),
    ):  # fmt: skip
        found = await refused(api, definition(api, schema=schema))
        assert field in {name for _, name in found}, schema


async def test_columns_and_fields_that_are_refused(api: Api) -> None:
    for columns, field in (
        ([{"name": "A", "type": "text", "jsonPath": ".a"}], "additionalPrinterColumns[0].type"),
        ([{"name": "A", "type": "string"}], "additionalPrinterColumns[0].JSONPath"),
        ([{"name": "A", "type": "string", "jsonPath": "a"}],
         "additionalPrinterColumns[0].JSONPath"),
    ):  # fmt: skip
        body = definition(api, version={"additionalPrinterColumns": columns})
        assert field in {name.partition(".")[2] for _, name in await refused(api, body)}
    spec = {"type": "object", "properties": {"o": {"type": "object"}, "s": {"type": "string"}}}
    for path in (".spec.nope", ".spec.o", ".metadata.name", "spec.s"):
        body = definition(api, spec, version={"selectableFields": [{"jsonPath": path}]})
        found = {name.partition(".")[2] for _, name in await refused(api, body)}
        assert "selectableFields[0].jsonPath" in found, path


# ---------------------------------------------------------------- objects


@with_crd()
async def test_objects_of_a_crd(api: Api, path: str) -> None:
    made = (await api.post(path, widget(api, "w", {"a": 1}) | {"status": {"s": 1}})).ok(201)
    assert made["metadata"]["generation"] == 1
    assert "status" not in made
    listed = (await api.get(path)).ok()
    assert listed["kind"] == "WidgetList"
    assert listed["items"] == [made]
    changed = (await api.patch(f"{path}/w", {"spec": {"a": 2}})).ok()
    assert changed["metadata"]["generation"] == 2
    noted = (await api.patch(f"{path}/w", {"metadata": {"labels": {"a": "b"}}})).ok()
    assert noted["metadata"]["generation"] == 2
    (await api.put(f"{path}/w", widget(api, "w"))).failed(422, "Invalid")
    whole = (await api.put(f"{path}/w", {**noted, "spec": {"a": 3}})).ok()
    assert whole["metadata"]["generation"] == 3
    (await api.patch(f"{path}/w", {}, content_type=STRATEGIC)).failed(415, "UnsupportedMediaType")
    done = (await api.delete(f"{path}/w")).ok()
    assert done["details"]["group"] == group_of(api)


@with_crd()
async def test_status_of_a_crd(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w", {"a": 1}))).ok(201)
    body = {"status": {"ok": True}, "spec": {"a": 2}, "metadata": {"labels": {"a": "b"}}}
    done = (await api.patch(f"{path}/w/status", body)).ok()
    assert done["status"] == {"ok": True}
    assert done["spec"] == {"a": 1}
    assert "labels" not in done["metadata"]
    assert done["metadata"]["generation"] == 1
    ignored = (await api.patch(f"{path}/w", {"status": {"ok": False}})).ok()
    assert ignored["status"] == {"ok": True}
    whole = (await api.put(f"{path}/w/status", {**done, "status": {"ok": 3}})).ok()
    assert whole["status"] == {"ok": 3}
    (await api.put(f"{path}/w/status", {**done, "status": {}})).failed(409, "Conflict")


@with_crd(version={"subresources": {}})
async def test_without_a_status_path_the_status_is_like_any_field(api: Api, path: str) -> None:
    made = (await api.post(path, widget(api, "w", {}) | {"status": {"a": 1}})).ok(201)
    assert made["status"] == {"a": 1}
    changed = (await api.patch(f"{path}/w", {"status": {"a": 2}})).ok()
    assert changed["status"] == {"a": 2}
    assert changed["metadata"]["generation"] == 2
    assert (await api.get(f"{path}/w/status")).status == 404


@with_crd()
async def test_bodies_that_are_refused(api: Api, path: str) -> None:
    (await api.post(path, {**widget(api, "w"), "apiVersion": "x/v2"})).failed(400, "BadRequest")
    (await api.post(path, {**widget(api, "w"), "kind": "Other"})).failed(422, "Invalid")
    bad = widget(api, "w", {}, labels={"a": 1})
    (await api.post(path, bad)).failed(400, "BadRequest")
    answer = await api.post(path, widget(api, "w", {}, foo=1), fieldValidation="Strict")
    assert 'unknown field "metadata.foo"' in answer.failed(400, "BadRequest")["message"]
    (await api.post(path, widget(api, "W"))).failed(422, "Invalid")
    (await api.post(path, {**widget(api, "w"), "metadata": []})).failed(400, "BadRequest")


@with_crd(scope="Cluster")
async def test_cluster_scope(api: Api, path: str) -> None:
    made = (await api.post(path, widget(api, "w"))).ok(201)
    assert "namespace" not in made["metadata"]
    inside = f"/apis/{group_of(api)}/v1/namespaces/{api.namespace}/widgets"
    assert (await api.get(inside)).status == 404


@with_crd(
    {
        "type": "object",
        "properties": {"color": {"type": "string"}, "size": {"type": "integer"}},
    },
    version={"selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]},
)
async def test_selectable_fields(api: Api, path: str) -> None:
    for name, color, size in (("a", "red", 1), ("b", "blue", 1), ("c", "red", 2)):
        (await api.post(path, widget(api, name, {"color": color, "size": size}))).ok(201)

    async def names(selector: str) -> list[str]:
        found = (await api.get(path, fieldSelector=selector)).ok()["items"]
        return [item["metadata"]["name"] for item in found]

    assert await names("spec.color=red") == ["a", "c"]
    assert await names("spec.color=red,spec.size=1") == ["a"]
    assert await names("spec.color!=red") == ["b"]
    answer = await api.get(path, fieldSelector="spec.other=1")
    assert "field label not supported" in answer.failed(400, "BadRequest")["message"]
    async with api.watch(path, fieldSelector="spec.color=green") as watch:
        (await api.patch(f"{path}/a", {"spec": {"color": "green"}})).ok()
        assert await watch.some(1) == [("ADDED", "a")]


async def test_several_versions(api: Api) -> None:
    properties = {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}
    newer = {"spec": {"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": "string", "default": "new"}}}}  # fmt: skip
    versions = [
        {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": shape}}}
        for name, storage, shape in (("v1", False, properties), ("v2", True, newer))
    ]  # fmt: skip
    path = await established(api, definition(api, versions=versions))
    made = (await api.post(path, widget(api, "w", {"a": "1"}))).ok(201)
    assert made["apiVersion"] == f"{group_of(api)}/v1"
    assert made["spec"] == {"a": "1"}
    second = path.replace("/v1/", "/v2/")
    shown = (await api.get(f"{second}/w")).ok()
    assert shown["apiVersion"] == f"{group_of(api)}/v2"
    assert shown["spec"] == {"a": "1", "b": "new"}
    (await api.patch(f"{second}/w", {"spec": {"b": "set"}})).ok()
    assert (await api.get(f"{path}/w")).ok()["spec"] == {"a": "1"}
    async with api.watch(second) as watch:
        event = await watch.next()
        assert event["object"]["apiVersion"] == f"{group_of(api)}/v2"
        assert event["object"]["spec"] == {"a": "1", "b": "set"}
    crd = (await api.get(f"{DEFINITIONS}/widgets.{group_of(api)}")).ok()
    assert crd["status"]["storedVersions"] == ["v2"]


@with_crd({"type": "object", "properties": {"a": {"type": "string"}}})
async def test_a_changed_schema_counts_from_then_on(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w", {"a": "x"}))).ok(201)
    where = f"{DEFINITIONS}/widgets.{group_of(api)}"
    crd = (await api.get(where)).ok()
    shape = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    shape["properties"]["b"] = {"type": "integer", "default": 7}
    (await api.put(where, crd)).ok()

    async def defaulted() -> bool:
        answer = await api.get(f"{path}/w")
        return answer.status == 200 and answer.body["spec"] == {"a": "x", "b": 7}

    await eventually(defaulted)
    (await api.post(path, widget(api, "v", {"b": "no"}))).failed(422, "Invalid")


# ---------------------------------------------------------------- the end


@with_crd()
async def test_deleting_a_crd_takes_its_objects(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w"))).ok(201)
    name = f"widgets.{group_of(api)}"
    async with (
        api.watch(path) as watch,
        api.watch(DEFINITIONS, fieldSelector=f"metadata.name={name}") as crds,
    ):
        assert await watch.some(1) == [("ADDED", "w")]
        marked = (await api.delete(f"{DEFINITIONS}/{name}")).ok()
        assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        assert condition(marked, "Terminating") == "True"
        await crds.until(lambda event: event["type"] == "DELETED")
        assert await watch.some(1) == [("DELETED", "w")]
        assert await watch.ended()

    async def gone() -> bool:
        return (await api.get(path)).status == 404

    await eventually(gone)
    (await api.get(f"{DEFINITIONS}/{name}")).failed(404, "NotFound")


@with_crd()
async def test_objects_with_finalizers_hold_their_crd(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w", finalizers=["lab.example.com/x"]))).ok(201)
    name = f"widgets.{group_of(api)}"
    async with api.watch(path) as watch:
        await watch.some(1)
        (await api.delete(f"{DEFINITIONS}/{name}")).ok()
        event = await watch.until(lambda e: "deletionTimestamp" in e["object"]["metadata"])
        assert brief(event) == ("MODIFIED", "w")
    assert (await api.get(f"{DEFINITIONS}/{name}")).ok()["metadata"]["deletionTimestamp"]
    late = (await api.post(path, widget(api, "late"))).failed(403, "Forbidden")
    assert "custom resource definition is terminating" in late["message"]
    (await api.patch(f"{path}/w", {"metadata": {"finalizers": None}})).ok()
    (await api.get(f"{path}/w")).failed(404, "NotFound")


@with_crd()
async def test_the_same_name_again(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w"))).ok(201)
    (await api.delete(f"{DEFINITIONS}/widgets.{group_of(api)}")).ok()

    async def gone() -> bool:
        return (await api.get(f"{DEFINITIONS}/widgets.{group_of(api)}")).status == 404

    await eventually(gone)
    path = await widgets(api, dict(ANYTHING))
    assert (await api.get(path)).ok()["items"] == []


@with_crd()
async def test_a_version_before_a_crd_is_gone_for_its_watches(api: Api, path: str) -> None:
    async with api.watch(path, resourceVersion="3") as watch:
        event = await watch.next()
        assert event["type"] == "ERROR"
        status = event["object"]
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
        assert status["message"].startswith("too old resource version: 3 (")
        assert await watch.ended()
