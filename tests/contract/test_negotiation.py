"""What is asked for and how it is answered: media types, tables, metadata, discovery, OpenAPI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import MERGE, Document, config_map, eventually, service
from contract.crds import group_of, widget, with_crd
from contract.differences import (
    GIT_VERSION,
    NO_TOKEN,
    PROTOBUF_ACCEPTED,
    PROTOBUF_ONLY,
    SCALE,
    UNKNOWN_GROUP,
    YAML_BODY,
)

if TYPE_CHECKING:
    from contract.api import Api

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
NODE_WIDE = "Internal-IP External-IP OS-Image Kernel-Version Container-Runtime"
WORKLOAD_WIDE = "Containers Images Selector"
PROTOBUF = "application/vnd.kubernetes.protobuf"


async def accepting(api: Api, path: str, accept: str, **query: Any) -> Any:
    return await api.get(path, headers={"Accept": accept}, **query)


# ---------------------------------------------------------------- media types


async def test_accept(api: Api) -> None:
    path = f"{api.core}/configmaps"
    for accept in ("", "*/*", "application/json", "text/html, */*;q=0.1"):
        answer = await accepting(api, path, accept)
        assert answer.status == 200, accept
        assert answer.headers["Content-Type"] == "application/json"
    for accept in ("application/xml", "application/*"):
        (await accepting(api, path, accept)).failed(406, "NotAcceptable")
    answer = await accepting(api, path, f"{PROTOBUF},application/json")
    assert answer.headers["Content-Type"] == api.server.expect(PROTOBUF_ACCEPTED)
    answer = await accepting(api, path, PROTOBUF)
    assert answer.status == api.server.expect(PROTOBUF_ONLY)


async def test_bodies(api: Api) -> None:
    path = f"{api.core}/configmaps"
    answer = await api.post(path, config_map("a"), content_type="text/plain")
    answer.failed(415, "UnsupportedMediaType")
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\n"
    answer = await api.post(path, text, content_type="application/yaml")
    assert answer.status == api.server.expect(YAML_BODY)
    answer = await api.post(path, config_map("b"), content_type="application/json; charset=utf-8")
    answer.ok(201)


async def test_a_body_that_is_too_large(api: Api) -> None:
    body = config_map("a", {"a": "x" * (3 * 1024 * 1024)})
    answer = await api.post(f"{api.core}/configmaps", body)
    answer.failed(413, "RequestEntityTooLarge")


async def test_authentication(api: Api) -> None:
    path = f"{api.core}/configmaps"
    (await api.get(path, token="wrong")).failed(401, "Unauthorized")
    assert (await api.get(path, token="")).status == api.server.expect(NO_TOKEN)
    (await api.get(path, token=api.server.tokens["admin"])).ok()
    for open_path in ("/healthz", "/livez", "/readyz", "/version"):
        async with api.session.get(
            api.server.url + open_path, headers={"Authorization": ""}
        ) as answer:
            assert answer.status in (200, 401)


async def test_health_and_version(api: Api) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        answer = await api.get(path)
        assert (answer.status, answer.raw) == (200, b"ok")
    version = (await api.get("/version")).ok()
    assert (version["major"], version["minor"]) == ("1", "35")
    assert version["gitVersion"] == api.server.expect(GIT_VERSION)


async def test_paths_that_nobody_serves(api: Api) -> None:
    answer = await api.get("/apis/nobody.example.com/v1/things")
    assert answer.status == 404
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind == api.server.expect(UNKNOWN_GROUP)
    (await api.get("/api/v1/things")).failed(404, "NotFound")
    (await api.get("/apis/apps/v1/things")).failed(404, "NotFound")
    assert (await api.get("/nothing")).status == 404


async def test_subresources_that_are_not_ours(api: Api) -> None:
    labels = {"a": "b"}
    container = {"name": "c", "image": "x"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    path = f"{api.group('apps/v1')}/deployments"
    (await api.post(path, body)).ok(201)
    assert (await api.get(f"{path}/d/scale")).status == api.server.expect(SCALE)


# ---------------------------------------------------------------- metadata only


async def test_partial_metadata(api: Api) -> None:
    body = config_map("a", {"k": "v"}, labels={"l": "1"})
    made = (await api.post(f"{api.core}/configmaps", body)).ok(201)
    shown = (await accepting(api, f"{api.core}/configmaps/a", PARTIAL)).ok()
    assert shown == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": made["metadata"],
    }
    listed = (await accepting(api, f"{api.core}/configmaps", PARTIAL_LIST)).ok()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["apiVersion"] == "meta.k8s.io/v1"
    assert [item["metadata"] for item in listed["items"]] == [made["metadata"]]
    assert "data" not in listed["items"][0]
    query = {"headers": {"Accept": PARTIAL}}
    async with api.watch(f"{api.core}/configmaps", **query) as watch:
        event = await watch.next()
        assert event["object"] == shown
        change = {"metadata": {"labels": {"l": "2"}}}
        (await api.patch(f"{api.core}/configmaps/a", change)).ok()
        event = await watch.next()
        assert event["object"]["kind"] == "PartialObjectMetadata"
        assert event["object"]["metadata"]["labels"] == {"l": "2"}


async def test_patches_answer_with_what_was_asked(api: Api) -> None:
    (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    answer = await api.patch(
        f"{api.core}/configmaps/a", {"data": {"k": "v"}}, content_type=MERGE,
        headers={"Accept": PARTIAL},
    )  # fmt: skip
    assert answer.ok()["kind"] == "PartialObjectMetadata"


# ---------------------------------------------------------------- tables


def rows(table: Document) -> list[dict[str, Any]]:
    names = [c["name"] for c in table["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


async def test_the_table_of_services(api: Api) -> None:
    path = f"{api.core}/services"
    ports = [{"name": "a", "port": 80, "nodePort": 30023}, {"name": "b", "port": 53,
              "protocol": "UDP", "nodePort": 30024}]  # fmt: skip
    body = service("lb", type="LoadBalancer", ports=ports, selector={"a": "b", "c": "d"})
    (await api.post(path, body)).ok(201)
    (await api.post(path, service("plain", externalIPs=["192.0.2.9"]))).ok(201)
    (await api.post(path, service("name", type="ExternalName", externalName="a.b"))).ok(201)
    (await api.post(path, service("none", clusterIP="None", ports=[]))).ok(201)
    table = (await accepting(api, path, f"{TABLE},application/json")).ok()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"]["resourceVersion"].isdigit()
    columns = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0), ("Type", "string", 0), ("Cluster-IP", "string", 0),
        ("External-IP", "string", 0), ("Port(s)", "string", 0), ("Age", "string", 0),
        ("Selector", "string", 1),
    ]  # fmt: skip
    shown = {row["Name"]: row for row in rows(table)}
    assert shown["lb"]["Type"] == "LoadBalancer"
    assert shown["lb"]["External-IP"] == "<pending>"
    assert shown["lb"]["Port(s)"] == "80:30023/TCP,53:30024/UDP"
    assert shown["lb"]["Selector"] == "a=b,c=d"
    assert re.fullmatch(r"\d+s", shown["lb"]["Age"])
    assert shown["plain"]["External-IP"] == "192.0.2.9"
    assert shown["plain"]["Port(s)"] == "80/TCP"
    assert (shown["name"]["Cluster-IP"], shown["name"]["External-IP"]) == ("<none>", "a.b")
    assert (shown["none"]["Cluster-IP"], shown["none"]["Port(s)"]) == ("None", "<none>")
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "192.0.2.1"}]}}}
    (await api.patch(f"{path}/lb/status", status)).ok()
    one = (await accepting(api, f"{path}/lb", TABLE)).ok()
    assert rows(one)[0]["External-IP"] == "192.0.2.1,192.0.2.2"
    (await api.delete(f"{path}/lb")).ok()


async def test_how_much_of_the_object_a_row_carries(api: Api) -> None:
    (await api.post(f"{api.core}/configmaps", config_map("a", {"k": "v"}))).ok(201)
    path = f"{api.core}/configmaps"
    for include, kind in (("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap")):
        table = (await accepting(api, path, TABLE, includeObject=include)).ok()
        assert table["rows"][0]["object"]["kind"] == kind
    table = (await accepting(api, path, TABLE, includeObject="None")).ok()
    assert not table["rows"][0].get("object")


async def test_tables_in_watches(api: Api) -> None:
    path = f"{api.core}/configmaps"
    (await api.post(path, config_map("a"))).ok(201)
    async with api.watch(path, headers={"Accept": TABLE}) as watch:
        first = await watch.next()
        assert first["object"]["kind"] == "Table"
        assert [c["name"] for c in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert first["object"]["rows"][0]["cells"][0] == "a"
        (await api.patch(f"{path}/a", {"data": {"k": "v"}})).ok()
        second = await watch.next()
        assert second["type"] == "MODIFIED"
        assert not second["object"]["columnDefinitions"]
        assert str(second["object"]["rows"][0]["cells"][1]) == "1"


@with_crd(
    {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    version={
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "how big"},
            {"name": "Ready", "type": "string",
             "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Tags", "type": "string", "jsonPath": ".spec.tags[*]", "priority": 1},
            {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
            {"name": "Since", "type": "date", "jsonPath": ".spec.since"},
            {"name": "Key", "type": "string", "jsonPath": ".metadata.labels['a\\.b/c']"},
            {"name": "Deep", "type": "string", "jsonPath": ".spec.deep"},
        ]
    },
)  # fmt: skip
async def test_printer_columns(api: Api, path: str) -> None:
    spec = {"size": 3, "tags": ["x", "y"], "on": True, "since": "2020-01-01T00:00:00Z",
            "deep": {"a": 1}}  # fmt: skip
    (await api.post(path, widget(api, "full", spec, labels={"a.b/c": "l"}))).ok(201)
    (await api.post(path, widget(api, "bare", {}))).ok(201)
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    (await api.patch(f"{path}/full/status", {"status": {"conditions": conditions}})).ok()
    table = (await accepting(api, path, TABLE)).ok()
    heads = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert heads == [
        ("Name", "string", 0), ("Size", "integer", 0), ("Ready", "string", 0),
        ("Tags", "string", 1), ("On", "boolean", 0), ("Since", "date", 0), ("Key", "string", 0),
        ("Deep", "string", 0),
    ]  # fmt: skip
    assert table["columnDefinitions"][1]["description"] == "how big"
    shown = {row["Name"]: row for row in rows(table)}
    full, bare = shown["full"], shown["bare"]
    assert (full["Size"], full["Ready"], full["On"], full["Key"]) == (3, "True", True, "l")
    assert full["Tags"] == "x"
    assert re.fullmatch(r"\dy\d+d", full["Since"])
    assert full["Deep"] in ('{"a":1}', "map[a:1]")
    assert (bare["Size"], bare["On"], bare["Key"]) == (None, None, None)


@with_crd()
async def test_the_default_columns_of_a_crd(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w"))).ok(201)
    table = (await accepting(api, path, TABLE)).ok()
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Age"]
    assert re.fullmatch(r"\d+s", table["rows"][0]["cells"][1])


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("/api/v1/namespaces", "Name Status Age"),
        (
            "/api/v1/nodes",
            f"Name Status Roles Age Version {NODE_WIDE}",
        ),
        (
            "/api/v1/pods",
            "Name Ready Status Restarts Age IP Node Nominated_Node Readiness_Gates",
        ),
        ("/api/v1/endpoints", "Name Endpoints Age"),
        ("/api/v1/secrets", "Name Type Data Age"),
        ("/api/v1/serviceaccounts", "Name Age"),
        (
            "/api/v1/events",
            "Last_Seen Type Reason Object Subobject Source Message First_Seen Count Name",
        ),
        (
            "/apis/apps/v1/deployments",
            f"Name Ready Up-to-date Available Age {WORKLOAD_WIDE}",
        ),
        (
            "/apis/apps/v1/daemonsets",
            f"Name Desired Current Ready Up-to-date Available Node_Selector Age {WORKLOAD_WIDE}",
        ),
        ("/apis/discovery.k8s.io/v1/endpointslices", "Name AddressType Ports Endpoints Age"),
        ("/apis/coordination.k8s.io/v1/leases", "Name Holder Age"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "Name Created_At"),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "Name Role Age Users Groups ServiceAccounts",
        ),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "Name Created_At"),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "Name Webhooks Age",
        ),
    ],
)  # fmt: skip
async def test_columns_of_built_in_kinds(api: Api, path: str, columns: str) -> None:
    table = (await accepting(api, path, TABLE)).ok()
    expected = [name.replace("_", " ") for name in columns.split()]
    assert [c["name"] for c in table["columnDefinitions"]] == expected


# ---------------------------------------------------------------- discovery, OpenAPI


async def test_discovery(api: Api) -> None:
    core = (await api.get("/api")).ok()
    assert (core["kind"], core["versions"]) == ("APIVersions", ["v1"])
    groups = (await api.get("/apis")).ok()
    assert groups["kind"] == "APIGroupList"
    named = {g["name"]: g for g in groups["groups"]}
    assert named["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    group = (await api.get("/apis/apps")).ok()
    assert (group["kind"], group["apiVersion"]) == ("APIGroup", "v1")
    listed = (await api.get("/api/v1")).ok()
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", "v1")
    resources = {r["name"]: r for r in listed["resources"]}
    found = resources["services"]
    assert found["kind"] == "Service"
    assert found["namespaced"] is True
    assert found["shortNames"] == ["svc"]
    assert set(resources["services/status"]["verbs"]) == {"get", "patch", "update"}
    assert resources["nodes"]["namespaced"] is False
    apps = (await api.get("/apis/apps/v1")).ok()
    assert (apps["apiVersion"], apps["groupVersion"]) == ("v1", "apps/v1")
    assert "deployments" in {r["name"] for r in apps["resources"]}


async def test_every_verb_of_the_resources_that_both_serve(api: Api) -> None:
    kinds = {
        "/api/v1": ["configmaps", "endpoints", "events", "namespaces", "nodes", "pods", "secrets",
                    "serviceaccounts", "services"],
        "/apis/apps/v1": ["daemonsets", "deployments"],
        "/apis/discovery.k8s.io/v1": ["endpointslices"],
        "/apis/coordination.k8s.io/v1": ["leases"],
        "/apis/events.k8s.io/v1": ["events"],
        "/apis/rbac.authorization.k8s.io/v1": ["clusterrolebindings", "clusterroles",
                                               "rolebindings", "roles"],
        "/apis/admissionregistration.k8s.io/v1": ["mutatingwebhookconfigurations",
                                                  "validatingwebhookconfigurations"],
        "/apis/apiextensions.k8s.io/v1": ["customresourcedefinitions"],
    }  # fmt: skip
    for path, names in kinds.items():
        resources = {r["name"]: r for r in (await api.get(path)).ok()["resources"]}
        for name in names:
            assert {"get", "list", "watch", "create", "update", "patch", "delete"} <= set(
                resources[name]["verbs"]
            )


async def test_aggregated_discovery(api: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    answer = await accepting(api, "/apis", accept)
    assert answer.headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io;v=v2")
    found = answer.ok()
    assert found["kind"] == "APIGroupDiscoveryList"
    apps = next(g for g in found["items"] if g["metadata"]["name"] == "apps")
    version = next(v for v in apps["versions"] if v["version"] == "v1")
    deployments = next(r for r in version["resources"] if r["resource"] == "deployments")
    assert deployments["responseKind"]["kind"] == "Deployment"
    assert deployments["scope"] == "Namespaced"
    assert "status" in {s["subresource"] for s in deployments["subresources"]}
    core = (await accepting(api, "/api", accept)).ok()
    (version,) = core["items"][0]["versions"]
    assert "services" in {r["resource"] for r in version["resources"]}


@with_crd({"type": "object", "properties": {"size": {"type": "integer", "description": "big"}}})
async def test_openapi(api: Api, path: str) -> None:
    paths = (await api.get("/openapi/v3")).ok()["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(paths)
    url = paths["api/v1"]["serverRelativeURL"]
    assert url.startswith("/openapi/v3/api/v1")
    core = (await api.get(url.partition("?")[0])).ok()
    schemas = core["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"
    service_schema = schemas["io.k8s.api.core.v1.Service"]
    kind = {"group": "", "kind": "Service", "version": "v1"}
    assert kind in service_schema["x-kubernetes-group-version-kind"]
    patch = core["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == kind
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    names = {p["name"] for p in patch.get("parameters", [])}
    assert "fieldValidation" in names
    custom = await published(api, f"apis/{group_of(api)}/v1")
    found = next(s for n, s in custom["components"]["schemas"].items() if n.endswith(".Widget"))
    assert found["properties"]["spec"]["properties"]["size"]["description"] == "big"
    whole = (await api.get("/openapi/v2", headers={"Accept": "application/json"})).ok()
    assert "io.k8s.api.core.v1.Service" in whole["definitions"]


async def published(api: Api, name: str) -> Document:
    async def listed() -> Any:
        return (await api.get("/openapi/v3")).ok()["paths"].get(name)

    found = await eventually(listed)
    return (await api.get(found["serverRelativeURL"].partition("?")[0])).ok()
