"""Objects as such: metadata, create, update, delete, errors. ConfigMaps stand for all kinds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import JSON_PATCH, brief, config_map, pod, service

if TYPE_CHECKING:
    from contract.api import Api

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_create_fills_in_metadata(api: Api) -> None:
    made = (await api.post(f"{api.core}/configmaps", config_map("a", {"k": "v"}))).ok(201)
    metadata = made["metadata"]
    assert UID.fullmatch(metadata["uid"])
    assert TIME.fullmatch(metadata["creationTimestamp"])
    assert metadata["resourceVersion"].isdigit()
    assert metadata["namespace"] == api.namespace
    assert "generation" not in metadata
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    read = (await api.get(f"{api.core}/configmaps/a")).ok()
    assert read == made


async def test_what_the_server_owns_is_not_taken_from_the_client(api: Api) -> None:
    mine: dict[str, Any] = {
        "uid": "mine",
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "selfLink": "/x",
    }
    made = (await api.post(f"{api.core}/configmaps", config_map("a", **mine))).ok(201)
    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["creationTimestamp"] != mine["creationTimestamp"]
    assert "deletionTimestamp" not in made["metadata"]
    assert "selfLink" not in made["metadata"]


async def test_empty_parts_are_left_out(api: Api) -> None:
    body = config_map("a", labels={}, annotations={}, finalizers=[], ownerReferences=[])
    body |= {"data": {}, "binaryData": None}
    made = (await api.post(f"{api.core}/configmaps", body)).ok(201)
    assert set(made) == {"apiVersion", "kind", "metadata"}
    left = set(made["metadata"]) & {"labels", "annotations", "finalizers", "ownerReferences"}
    assert left == set()


async def test_generate_name(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}}
    names = set()
    for _ in range(3):
        made = (await api.post(f"{api.core}/configmaps", body)).ok(201)
        assert made["metadata"]["generateName"] == "gen-"
        assert re.fullmatch(r"gen-[bcdfghjklmnpqrstvwxz2456789]{5}", made["metadata"]["name"])
        names.add(made["metadata"]["name"])
    assert len(names) == 3


async def test_versions_are_one_counter_for_all(api: Api) -> None:
    versions = []
    for index in range(3):
        made = (await api.post(f"{api.core}/configmaps", config_map(f"c{index}"))).ok(201)
        versions.append(int(made["metadata"]["resourceVersion"]))
        made = (await api.post(f"{api.core}/services", service(f"s{index}"))).ok(201)
        versions.append(int(made["metadata"]["resourceVersion"]))
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)


async def test_create_errors(api: Api) -> None:
    path = f"{api.core}/configmaps"
    (await api.post(path, config_map("a"))).ok(201)
    taken = (await api.post(path, config_map("a"))).failed(409, "AlreadyExists")
    assert taken["details"] == {"name": "a", "kind": "configmaps"}
    assert taken["message"] == 'configmaps "a" already exists'
    none = (await api.post(path, config_map(""))).causes()
    assert none == {("FieldValueRequired", "metadata.name")}
    bad = await api.post(path, config_map("Bad_Name"))
    assert ("FieldValueInvalid", "metadata.name") in bad.causes()
    (await api.post(path, b"[]")).failed(400, "BadRequest")
    (await api.post(path, b"{")).failed(400, "BadRequest")
    (await api.post(path, b"")).failed(400, "BadRequest")
    (await api.post(path, pod("p"))).failed(400, "BadRequest")
    (await api.post(path, {**config_map("x"), "apiVersion": "v9"})).failed(400, "BadRequest")
    wrong = await api.post(path, {**config_map("x"), "data": {"a": 1}})
    assert "cannot unmarshal number" in wrong.failed(400, "BadRequest")["message"]
    elsewhere = config_map("x", namespace="default")
    message = (await api.post(path, elsewhere)).failed(400, "BadRequest")["message"]
    assert "does not match the namespace sent on the request" in message


async def test_a_version_cannot_be_created(api: Api) -> None:
    answer = await api.post(f"{api.core}/configmaps", config_map("a", resourceVersion="5"))
    assert answer.status == 500
    assert "resourceVersion should not be set" in answer.body["message"]
    assert "reason" not in answer.body
    invalid = config_map("Not_A_Name", resourceVersion="5")
    (await api.post(f"{api.core}/configmaps", invalid)).failed(422, "Invalid")


async def test_what_is_left_out_of_a_body_is_taken_from_the_path(api: Api) -> None:
    made = await api.post(f"{api.core}/configmaps", {"metadata": {"name": "a"}})
    assert made.ok(201)["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "b c"}}, "metadata.labels"),
        ({"labels": {"/x": "c"}}, "metadata.labels"),
        ({"labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"annotations": {"a b": "c"}}, "metadata.annotations"),
        ({"annotations": {"a": "x" * 270_000}}, "metadata.annotations"),
        ({"finalizers": ["a b"]}, "metadata.finalizers"),
        ({"finalizers": ["unqualified"]}, "metadata.finalizers[0]"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": ""}]},
            "metadata.ownerReferences.uid",
        ),
    ],
)
async def test_metadata_are_validated(api: Api, metadata: dict[str, Any], field: str) -> None:
    answer = await api.post(f"{api.core}/configmaps", config_map("a", **metadata))
    assert field in {name for _, name in answer.causes()}


async def test_finalizers_without_a_domain(api: Api) -> None:
    (await api.post(f"{api.core}/configmaps", config_map("a", finalizers=["orphan"]))).ok(201)
    change = {"metadata": {"finalizers": ["mine"]}}
    found = (await api.patch(f"{api.core}/configmaps/a", change)).causes()
    assert found == {("FieldValueInvalid", "metadata.finalizers[0]")}
    (await api.patch(f"{api.core}/configmaps/a", {"metadata": {"finalizers": None}})).ok()


async def test_missing_things_are_404(api: Api) -> None:
    gone = (await api.get(f"{api.core}/configmaps/nope")).failed(404, "NotFound")
    assert gone["details"] == {"name": "nope", "kind": "configmaps"}
    assert gone["message"] == 'configmaps "nope" not found'
    (await api.delete(f"{api.core}/configmaps/nope")).failed(404, "NotFound")
    (await api.patch(f"{api.core}/configmaps/nope", {})).failed(404, "NotFound")
    (await api.put(f"{api.core}/configmaps/nope", config_map("nope"))).failed(404, "NotFound")
    (await api.get(f"{api.core}/foos")).failed(404, "NotFound")
    (await api.get(f"{api.core}/configmaps/nope/status")).failed(404, "NotFound")
    nowhere = await api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert nowhere.failed(404, "NotFound")["details"] == {"name": "nowhere", "kind": "namespaces"}
    assert (await api.get("/api/v1/namespaces/nowhere/configmaps")).ok()["items"] == []


async def test_methods_that_a_path_does_not_have(api: Api) -> None:
    (await api.put(f"{api.core}/configmaps", {})).failed(405, "MethodNotAllowed")
    (await api.post(f"{api.core}/configmaps/a", {})).failed(405, "MethodNotAllowed")
    (await api.patch(f"{api.core}/configmaps", {})).failed(405, "MethodNotAllowed")
    (await api.post("/api/v1/configmaps", config_map("a"))).failed(405, "MethodNotAllowed")


# ---------------------------------------------------------------- update


async def test_update_replaces_and_locks(api: Api) -> None:
    path = f"{api.core}/configmaps/a"
    first = (await api.post(f"{api.core}/configmaps", config_map("a", {"k": "1"}))).ok(201)
    second = (await api.put(path, {**first, "data": {"k": "2"}})).ok()
    assert second["data"] == {"k": "2"}
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    stale = (await api.put(path, {**first, "data": {"k": "3"}})).failed(409, "Conflict")
    assert stale["details"] == {"name": "a", "kind": "configmaps"}
    assert "the object has been modified" in stale["message"]
    unlocked = (await api.put(path, config_map("a", {"k": "4"}))).ok()
    assert unlocked["data"] == {"k": "4"}


async def test_update_errors(api: Api) -> None:
    path = f"{api.core}/configmaps/a"
    made = (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    other = (await api.put(path, config_map("b"))).failed(400, "BadRequest")
    assert other["message"] == ("the name of the object (b) does not match the name on the URL (a)")
    (await api.put(path, config_map("a", namespace="default"))).failed(400, "BadRequest")
    (await api.put(path, config_map("a", uid="x"))).failed(409, "Conflict")
    assert (await api.put(path, config_map("a", resourceVersion="abc"))).status == 500
    kept = (await api.put(path, config_map("a", creationTimestamp="2020-01-01T00:00:00Z"))).ok()
    assert kept["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


async def test_no_change_is_no_write(api: Api) -> None:
    path = f"{api.core}/configmaps/a"
    first = (await api.post(f"{api.core}/configmaps", config_map("a", {"k": "1"}))).ok(201)
    again = (await api.put(path, first)).ok()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    patched = (await api.patch(path, {"data": {"k": "1"}})).ok()
    assert patched["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_put_creates_where_the_kind_allows_it(api: Api) -> None:
    made = await api.put(f"{api.core}/services/new", service("new"))
    assert made.ok(201)["spec"]["clusterIP"]
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "new"}}
    where = f"{api.group('coordination.k8s.io/v1')}/leases/new"
    (await api.put(where, {**lease, "spec": {"holderIdentity": "me"}})).ok(201)


async def test_update_without_a_version_where_the_kind_wants_one(api: Api) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    where = f"{api.group('coordination.k8s.io/v1')}/leases"
    (await api.post(where, lease)).ok(201)
    answer = await api.put(f"{where}/l", lease)
    assert answer.causes() == {("FieldValueInvalid", "metadata.resourceVersion")}


async def test_generation_of_kinds_that_have_one(api: Api) -> None:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": pod("p")["spec"]}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    where = f"{api.group('apps/v1')}/deployments"
    assert (await api.post(where, body)).ok(201)["metadata"]["generation"] == 1
    changed = (await api.patch(f"{where}/d", {"spec": {"replicas": 3}})).ok()
    assert changed["metadata"]["generation"] == 2
    labelled = (await api.patch(f"{where}/d", {"metadata": {"labels": {"a": "b"}}})).ok()
    assert labelled["metadata"]["generation"] == 2
    status = (await api.patch(f"{where}/d/status", {"status": {"readyReplicas": 1,
        "replicas": 1, "availableReplicas": 1}})).ok()  # fmt: skip
    assert status["metadata"]["generation"] == 2
    forced = await api.patch(f"{where}/d", {"metadata": {"generation": 9}})
    assert forced.ok()["metadata"]["generation"] == 2


async def test_core_kinds_have_no_generation(api: Api) -> None:
    made = (await api.post(f"{api.core}/services", service("s"))).ok(201)
    assert "generation" not in made["metadata"]
    changed = (await api.patch(f"{api.core}/services/s", {"spec": {"selector": {"a": "b"}}})).ok()
    assert "generation" not in changed["metadata"]


# ---------------------------------------------------------------- delete


async def test_delete_answers_with_a_status(api: Api) -> None:
    made = (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    done = (await api.delete(f"{api.core}/configmaps/a")).ok()
    assert done["kind"] == "Status"
    assert done["status"] == "Success"
    assert done["details"] == {
        "name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"],
    }  # fmt: skip
    (await api.get(f"{api.core}/configmaps/a")).failed(404, "NotFound")


async def test_delete_of_some_kinds_answers_with_the_object(api: Api) -> None:
    (await api.post(f"{api.core}/services", service("s"))).ok(201)
    assert (await api.delete(f"{api.core}/services/s")).ok()["kind"] == "Service"


async def test_preconditions(api: Api) -> None:
    path = f"{api.core}/configmaps/a"
    made = (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)["metadata"]
    for conditions in ({"uid": "other"}, {"resourceVersion": "1"}):
        refused = await api.delete(path, {"preconditions": conditions})
        assert "precondition" in refused.failed(409, "Conflict")["message"]
    right = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    (await api.delete(path, {"preconditions": right})).ok()


async def test_finalizers_hold_an_object(api: Api) -> None:
    path = f"{api.core}/configmaps/a"
    both = ["lab.example.com/w", "lab.example.com/x"]
    body = config_map("a", finalizers=both)
    first = (await api.post(f"{api.core}/configmaps", body)).ok(201)
    marked = (await api.delete(path)).ok()
    assert marked["kind"] == "ConfigMap"
    assert TIME.fullmatch(marked["metadata"]["deletionTimestamp"])
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    again = (await api.delete(path)).ok()
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    more = {"metadata": {"finalizers": ["lab.example.com/x", "lab.example.com/y"]}}
    assert ("FieldValueForbidden", "metadata.finalizers") in (await api.patch(path, more)).causes()
    busy = (await api.post(f"{api.core}/configmaps", config_map("a"))).failed(409, "AlreadyExists")
    assert busy["message"].startswith("object is being deleted")
    for change in ({"data": {"k": "v"}}, {"metadata": {"finalizers": both[1:]}}):
        (await api.patch(path, change)).ok()
        assert (await api.get(path)).ok()["metadata"]["finalizers"]
    last = (await api.patch(path, {"metadata": {"finalizers": None}})).ok()
    assert last["metadata"]["uid"] == first["metadata"]["uid"]
    assert last["data"] == {"k": "v"}
    (await api.get(path)).failed(404, "NotFound")


async def test_the_watch_of_a_finalized_object(api: Api) -> None:
    path = f"{api.core}/configmaps"
    async with api.watch(path) as watch:
        (await api.post(path, config_map("a", finalizers=["lab.example.com/x"]))).ok(201)
        (await api.delete(f"{path}/a")).ok()
        (await api.patch(f"{path}/a", {"metadata": {"finalizers": []}})).ok()
        assert await watch.some(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert watch.seen[2]["object"]["metadata"]["finalizers"] == ["lab.example.com/x"]
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in watch.seen]
        assert versions == sorted(set(versions))


async def test_deletion_bumps_a_generation(api: Api) -> None:
    path = f"{api.group('discovery.k8s.io/v1')}/endpointslices"
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s", "finalizers": ["lab.example.com/x"]},
        "addressType": "IPv4",
        "endpoints": [],
    }
    assert (await api.post(path, body)).ok(201)["metadata"]["generation"] == 1
    assert (await api.delete(f"{path}/s")).ok()["metadata"]["generation"] == 2


async def test_propagation_policies(api: Api) -> None:
    path = f"{api.core}/configmaps"
    wrong = await api.delete(f"{path}/a", propagationPolicy="Sideways")
    for name, policy, finalizer in (
        ("f", "Foreground", "foregroundDeletion"),
        ("o", "Orphan", "orphan"),
    ):
        (await api.post(path, config_map(name))).ok(201)
        kept = (await api.delete(f"{path}/{name}", propagationPolicy=policy)).ok()
        assert kept["metadata"]["finalizers"] == [finalizer]
    (await api.post(path, config_map("b"))).ok(201)
    done = (await api.delete(f"{path}/b", {"propagationPolicy": "Background"})).ok()
    assert done["kind"] == "Status"
    (await api.post(path, config_map("a"))).ok(201)
    wrong = await api.delete(f"{path}/a", {"propagationPolicy": "Sideways"})
    assert wrong.causes() == {("FieldValueNotSupported", "propagationPolicy")}


async def test_delete_collection(api: Api) -> None:
    path = f"{api.core}/configmaps"
    for index in range(4):
        labels = {"even": "yes" if index % 2 == 0 else "no"}
        (await api.post(path, config_map(f"c{index}", labels=labels))).ok(201)
    done = (await api.delete(path, labelSelector="even=yes")).ok()
    assert done["kind"] == "ConfigMapList"
    assert [i["metadata"]["name"] for i in done["items"]] == ["c0", "c2"]
    left = (await api.get(path)).ok()["items"]
    assert [i["metadata"]["name"] for i in left] == ["c1", "c3"]


async def test_grace_of_pods(api: Api) -> None:
    path = f"{api.core}/pods"
    (await api.post(path, pod("free"))).ok(201)
    gone = (await api.delete(f"{path}/free")).ok()
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0
    (await api.get(f"{path}/free")).failed(404, "NotFound")
    (await api.post(path, pod("bound", nodeName="n1"))).ok(201)
    waiting = (await api.delete(f"{path}/bound")).ok()["metadata"]
    assert waiting["deletionGracePeriodSeconds"] == 30
    assert waiting["deletionTimestamp"] > waiting["creationTimestamp"]
    assert waiting["generation"] == 2
    (await api.get(f"{path}/bound")).ok()
    (await api.delete(f"{path}/bound", gracePeriodSeconds=0)).ok()
    (await api.get(f"{path}/bound")).failed(404, "NotFound")


# ---------------------------------------------------------------- dry run, unknown fields


async def test_dry_run_writes_nothing(api: Api) -> None:
    path = f"{api.core}/configmaps"
    made = (await api.post(path, config_map("a"), dryRun="All")).ok(201)
    assert UID.fullmatch(made["metadata"]["uid"])
    assert "resourceVersion" not in made["metadata"]
    (await api.get(f"{path}/a")).failed(404, "NotFound")
    kept = (await api.post(path, config_map("a", {"k": "1"}))).ok(201)
    shown = (await api.patch(f"{path}/a", {"data": {"k": "2"}}, dryRun="All")).ok()
    assert shown["data"] == {"k": "2"}
    (await api.delete(f"{path}/a", dryRun="All")).ok()
    assert (await api.get(f"{path}/a")).ok() == kept
    wrong = await api.post(path, config_map("b"), dryRun="Some")
    assert wrong.status == 422


@pytest.mark.parametrize("level", ["Ignore", "Warn", "Strict", None])
async def test_unknown_fields(api: Api, level: str | None) -> None:
    body = {**service("s"), "wrong": 1}
    body["spec"]["foo"] = 1
    body["spec"]["ports"][0]["bar"] = {"x": 1}
    query = {"fieldValidation": level} if level else {}
    answer = await api.post(f"{api.core}/services", body, **query)
    unknown = ["spec.ports[0].bar", "spec.foo", "wrong"]
    if level == "Strict":
        message = answer.failed(400, "BadRequest")["message"]
        assert message == (
            'Service in version "v1" cannot be handled as a Service: strict decoding error: '
            + ", ".join(f'unknown field "{name}"' for name in unknown)
        )
        return
    made = answer.ok(201)
    assert "foo" not in made["spec"]
    expected = [f'299 - "unknown field \\"{name}\\""' for name in unknown]
    assert answer.warnings == ([] if level == "Ignore" else expected)


async def test_duplicate_fields(api: Api) -> None:
    body = b'{"metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'
    answer = await api.post(f"{api.core}/configmaps", body, fieldValidation="Strict")
    assert 'duplicate field "data.k"' in answer.failed(400, "BadRequest")["message"]
    answer = await api.post(f"{api.core}/configmaps", body)
    assert answer.ok(201)["data"] == {"k": "2"}
    assert answer.warnings == ['299 - "duplicate field \\"data.k\\""']


async def test_unknown_fields_in_patches(api: Api) -> None:
    (await api.post(f"{api.core}/services", service("s"))).ok(201)
    path = f"{api.core}/services/s"
    answer = await api.patch(path, {"spec": {"foo": 1}}, fieldValidation="Strict")
    assert answer.causes() == {("FieldValueInvalid", "patch")}
    assert 'strict decoding error: unknown field "spec.foo"' in answer.body["message"]
    answer = await api.patch(path, {"spec": {"foo": 1}})
    answer.ok()
    assert answer.warnings == ['299 - "unknown field \\"spec.foo\\""']
    operation = [{"op": "add", "path": "/spec/foo", "value": 1}]
    answer = await api.patch(path, operation, content_type=JSON_PATCH, fieldValidation="Ignore")
    answer.ok()
    assert answer.warnings == []


async def test_events_carry_what_was_written(api: Api) -> None:
    path = f"{api.core}/configmaps"
    async with api.watch(path) as watch:
        made = (await api.post(path, config_map("a", {"k": "1"}))).ok(201)
        assert (await watch.next())["object"] == made
        changed = (await api.patch(f"{path}/a", {"data": {"k": "2"}})).ok()
        assert (await watch.next())["object"] == changed
        (await api.delete(f"{path}/a")).ok()
        last = await watch.next()
        assert brief(last) == ("DELETED", "a")
        assert last["object"]["data"] == {"k": "2"}
        assert int(last["object"]["metadata"]["resourceVersion"]) > int(
            changed["metadata"]["resourceVersion"]
        )
