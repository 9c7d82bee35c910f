"""Patches: JSON merge, JSON, strategic merge; what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import JSON_PATCH, STRATEGIC, config_map, pod, service
from contract.crds import widget, with_crd
from contract.differences import APPLY

if TYPE_CHECKING:
    from contract.api import Api


async def config(api: Api) -> str:
    (await api.post(f"{api.core}/configmaps", config_map("a", {"x": "1", "y": "2"}))).ok(201)
    return f"{api.core}/configmaps/a"


async def test_merge_patch(api: Api) -> None:
    path = await config(api)
    body = {"data": {"x": None, "z": "3"}, "metadata": {"labels": {"l": "1"}}}
    done = (await api.patch(path, body)).ok()
    assert done["data"] == {"y": "2", "z": "3"}
    assert done["metadata"]["labels"] == {"l": "1"}
    gone = (await api.patch(path, {"data": None})).ok()
    assert "data" not in gone


async def test_merge_patch_replaces_lists(api: Api) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    (await api.post(f"{api.core}/services", service("s", ports=ports))).ok(201)
    body = {"spec": {"ports": [{"name": "c", "port": 82}]}}
    done = (await api.patch(f"{api.core}/services/s", body)).ok()
    assert [p["name"] for p in done["spec"]["ports"]] == ["c"]


@with_crd()
async def test_merge_patch_and_nulls_inside_lists(api: Api, path: str) -> None:
    """RFC 7396 would keep nulls inside a list; the real server drops members of its objects."""
    spec = {"kept": [{"a": None, "b": 1}], "replaced": [], "scalar": 1}
    (await api.post(path, widget(api, "w", spec))).ok(201)
    change = {"replaced": [{"a": None, "b": {"c": None}}, None], "scalar": {"a": None}}
    found = (await api.patch(f"{path}/w", {"spec": change})).ok()["spec"]
    assert found == {"kept": spec["kept"], "replaced": [{"b": {}}, None], "scalar": {}}


async def test_json_patch(api: Api) -> None:
    path = await config(api)
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "9"},
        {"op": "remove", "path": "/data/y"},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
        {"op": "copy", "from": "/data/x", "path": "/data/copied"},
        {"op": "move", "from": "/data/x", "path": "/data/moved"},
    ]
    done = (await api.patch(path, operations, content_type=JSON_PATCH)).ok()
    assert done["data"] == {"copied": "9", "moved": "9"}
    odd = [{"op": "replace", "path": "/data/new", "value": "1"}]  # RFC 6902 would refuse
    assert (await api.patch(path, odd, content_type=JSON_PATCH)).ok()["data"]["new"] == "1"
    escaped = [{"op": "replace", "path": "/metadata/labels/a~1b", "value": "d"}]
    done = (await api.patch(path, escaped, content_type=JSON_PATCH)).ok()
    assert done["metadata"]["labels"] == {"a/b": "d"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/x", "value": "2"},
        {"op": "remove", "path": "/data/nope"},
        {"op": "replace", "path": "/spec/deep", "value": "1"},
        {"op": "add", "path": "/spec/deep/er", "value": 1},
        {"op": "what", "path": "/data/x", "value": 1},
        {"op": "add", "value": 1},
        {"op": "add", "path": "data", "value": 1},
        {"op": "copy", "path": "/data/x"},
        {"op": "copy", "from": "", "path": "/data/x"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "", "value": {}},
    ],
)
async def test_json_patches_that_fail(api: Api, operation: dict[str, Any]) -> None:
    path = await config(api)
    before = (await api.get(path)).ok()
    (await api.patch(path, [operation], content_type=JSON_PATCH)).failed(422, "Invalid")
    assert (await api.get(path)).ok() == before


async def test_a_test_for_what_is_not_there(api: Api) -> None:
    path = await config(api)
    operations = [
        {"op": "test", "path": "/data/none", "value": None},
        {"op": "add", "path": "/data/none", "value": "1"},
    ]
    done = (await api.patch(path, operations, content_type=JSON_PATCH)).ok()
    assert done["data"]["none"] == "1"
    (await api.patch(path, operations, content_type=JSON_PATCH)).failed(422, "Invalid")


async def test_patches_that_are_no_patches(api: Api) -> None:
    path = await config(api)
    (await api.patch(path, b"{")).failed(400, "BadRequest")
    (await api.patch(path, [])).failed(400, "BadRequest")
    (await api.patch(path, {"a": 1}, content_type=JSON_PATCH)).failed(400, "BadRequest")
    (await api.patch(path, [], content_type=STRATEGIC)).failed(400, "BadRequest")
    assert (await api.patch(path, {"data": {"x": 1}})).causes() == {("FieldValueInvalid", "patch")}


async def test_patches_may_not_change_who_an_object_is(api: Api) -> None:
    path = await config(api)
    (await api.patch(path, {"metadata": {"name": "b"}})).failed(400, "BadRequest")
    (await api.patch(path, {"metadata": {"namespace": "default"}})).failed(400, "BadRequest")
    other = await api.patch(path, {"metadata": {"uid": "x"}})
    assert ("FieldValueInvalid", "metadata.uid") in other.causes()
    (await api.patch(path, {"metadata": {"resourceVersion": "1"}})).failed(409, "Conflict")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"kind": "Secret"}, 422),
        ({"kind": ["ConfigMap"]}, 422),
        ({"kind": None}, 200),
        ({"apiVersion": "v9"}, 422),
        ({"apiVersion": 1}, 422),
        ({"apiVersion": None}, 400),
    ],
)
async def test_patches_may_not_change_what_an_object_is(
    api: Api, change: dict[str, Any], status: int
) -> None:
    path = await config(api)
    answer = await api.patch(path, {**change, "data": {"x": "9"}})
    assert answer.status == status
    if status == 422:
        assert answer.causes() == {("FieldValueInvalid", "patch")}
    assert (await api.get(path)).ok()["kind"] == "ConfigMap"
    strategic = {name: value for name, value in change.items() if type(value) is str}
    answer = await api.patch(path, strategic, content_type=STRATEGIC)
    assert answer.ok()["kind"] == "ConfigMap"  # whatever it says, it is of the path's type


async def test_a_patch_with_the_right_version(api: Api) -> None:
    path = await config(api)
    version = (await api.get(path)).ok()["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version}, "data": {"x": "2"}}
    assert (await api.patch(path, body)).ok()["data"]["x"] == "2"


async def test_patch_types(api: Api) -> None:
    path = await config(api)
    (await api.patch(path, {}, content_type="application/json")).failed(415, "UnsupportedMediaType")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}}
    answer = await api.patch(
        f"{api.core}/configmaps/applied",
        body,
        content_type="application/apply-patch+yaml",
        fieldManager="suite",
    )
    expected = api.server.expect(APPLY)
    assert answer.status == expected
    if expected == 415:
        message = answer.failed(415, "UnsupportedMediaType")["message"]
        assert "server-side apply" in message


# ---------------------------------------------------------------- strategic merge


async def strategic(api: Api, path: str, body: Any, status: int = 200) -> Any:
    return (await api.patch(path, body, content_type=STRATEGIC)).ok(status)


async def test_lists_merge_by_their_key(api: Api) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    (await api.post(f"{api.core}/services", service("s", ports=ports))).ok(201)
    path = f"{api.core}/services/s"
    body = {"spec": {"ports": [{"port": 81, "targetPort": 8081}, {"name": "c", "port": 82}]}}
    done = await strategic(api, path, body)
    shown = [(p["name"], p["port"], p["targetPort"]) for p in done["spec"]["ports"]]
    assert sorted(shown) == [("a", 80, 80), ("b", 81, 8081), ("c", 82, 82)]
    done = await strategic(api, path, {"spec": {"ports": [{"port": 80, "$patch": "delete"}]}})
    assert sorted(p["port"] for p in done["spec"]["ports"]) == [81, 82]
    body = {"spec": {"ports": [{"$patch": "replace"}, {"name": "only", "port": 90}]}}
    done = await strategic(api, path, body)
    assert [p["port"] for p in done["spec"]["ports"]] == [90]


async def test_the_order_of_merged_lists(api: Api) -> None:
    """What the patch brings comes first, in its order; setElementOrder orders all of it."""
    spec = pod("p")["spec"]
    spec["containers"] = [{"name": n, "image": "x:1"} for n in "abc"]
    labels = {"app": "x"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    path = f"{api.group('apps/v1')}/deployments"
    (await api.post(path, body)).ok(201)

    async def order(change: dict[str, Any]) -> list[str]:
        patch = {"spec": {"template": {"spec": change}}}
        done = await strategic(api, f"{path}/d", patch)
        return [c["name"] for c in done["spec"]["template"]["spec"]["containers"]]

    added = await order({"containers": [{"name": "d", "image": "x:1"}]})
    assert added == ["d", "a", "b", "c"]
    ordered = {"$setElementOrder/containers": [{"name": n} for n in "cbad"]}
    ordered["containers"] = [{"name": "a", "image": "x:2"}]
    assert await order(ordered) == ["c", "b", "a", "d"]
    deleted = {"containers": [{"name": "b", "$patch": "delete"}]}
    deleted["$setElementOrder/containers"] = [{"name": n} for n in "cad"]
    assert await order(deleted) == ["c", "a", "d"]


async def test_scalar_lists(api: Api) -> None:
    body = config_map("a", finalizers=["lab.example.com/x", "lab.example.com/y"])
    (await api.post(f"{api.core}/configmaps", body)).ok(201)
    path = f"{api.core}/configmaps/a"
    done = await strategic(api, path, {"metadata": {"finalizers": ["lab.example.com/z"]}})
    assert sorted(done["metadata"]["finalizers"]) == [f"lab.example.com/{n}" for n in "xyz"]
    removal = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["lab.example.com/x"]}}
    done = await strategic(api, path, removal)
    assert sorted(done["metadata"]["finalizers"]) == ["lab.example.com/y", "lab.example.com/z"]
    done = await strategic(api, path, {"metadata": {"finalizers": None}})
    assert "finalizers" not in done["metadata"]


async def test_atomic_lists_and_maps(api: Api) -> None:
    spec = {"externalIPs": ["1.1.1.1", "2.2.2.2"], "selector": {"a": "1", "b": "2"}}
    (await api.post(f"{api.core}/services", service("s", **spec))).ok(201)
    path = f"{api.core}/services/s"
    done = await strategic(api, path, {"spec": {"externalIPs": ["3.3.3.3"]}})
    assert done["spec"]["externalIPs"] == ["3.3.3.3"]
    done = await strategic(api, path, {"spec": {"selector": {"c": "3"}}})
    assert done["spec"]["selector"] == {"a": "1", "b": "2", "c": "3"}
    done = await strategic(api, path, {"spec": {"selector": {"$patch": "replace", "d": "4"}}})
    assert done["spec"]["selector"] == {"d": "4"}


async def test_retain_keys(api: Api) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": pod("p", volumes=volumes)["spec"]}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    path = f"{api.group('apps/v1')}/deployments"
    (await api.post(path, body)).ok(201)
    volume = {"name": "v", "configMap": {"name": "c"}, "$retainKeys": ["name", "configMap"]}
    patch = {"spec": {"template": {"spec": {"volumes": [volume]}}}}
    done = await strategic(api, f"{path}/d", patch)
    (shown,) = done["spec"]["template"]["spec"]["volumes"]
    assert set(shown) == {"name", "configMap"}
    volume = {"name": "v", "emptyDir": {}, "$retainKeys": ["name"]}
    patch = {"spec": {"template": {"spec": {"volumes": [volume]}}}}
    answer = await api.patch(f"{path}/d", patch, content_type=STRATEGIC)
    answer.failed(400, "BadRequest")


async def test_conditions_merge_by_type(api: Api) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n-{api.namespace}"}}
    (await api.post("/api/v1/nodes", node)).ok(201)
    path = f"/api/v1/nodes/n-{api.namespace}/status"
    for condition in ({"type": "Ready", "status": "True"}, {"type": "Odd", "status": "False"}):
        await strategic(api, path, {"status": {"conditions": [condition]}})
    change = {"type": "Ready", "status": "Unknown"}
    done = await strategic(api, path, {"status": {"conditions": [change]}})
    found = {c["type"]: c["status"] for c in done["status"]["conditions"]}
    assert found == {"Ready": "Unknown", "Odd": "False"}
    (await api.delete(f"/api/v1/nodes/n-{api.namespace}")).ok()


async def test_unknown_directives(api: Api) -> None:
    path = await config(api)
    answer = await api.patch(path, {"data": {"$patch": "what"}}, content_type=STRATEGIC)
    assert answer.status == 500


@pytest.mark.parametrize(
    "spec",
    [
        {"ports": [1]},
        {"ports": [{"port": 1}, "x"]},
        {"$setElementOrder/ports": "x"},
        {"$setElementOrder/type": ["x"]},
        {"$setElementOrder/ports": [{"port": 2}], "ports": [{"port": 1}]},
    ],
)
async def test_strategic_patches_that_do_not_fit(api: Api, spec: dict[str, Any]) -> None:
    (await api.post(f"{api.core}/services", service("s"))).ok(201)
    body = {"spec": spec}
    answer = await api.patch(f"{api.core}/services/s", body, content_type=STRATEGIC)
    status = answer.ok(500)
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert "reason" not in status
