"""The real kubectl, with validation on, against both servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contract.api import config_map, eventually, service
from contract.crds import group_of, widget, with_crd
from contract.differences import KUBECTL_APPLY

if TYPE_CHECKING:
    from contract.api import Api

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "what it shall be",
    "properties": {
        "size": {"type": "integer", "description": "how big"},
        "list": {"type": "array", "items": {"type": "string"}},
    },
}
COLUMNS = {
    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
}


async def show(api: Api, *words: str) -> Any:
    _, out, _ = await api.kubectl(*words, "-o", "json")
    return json.loads(out)


async def test_apply_get_and_delete(api: Api) -> None:
    _, out, _ = await api.kubectl("apply", "-f", "-", stdin=SERVICE)
    assert out == "service/web created\n"
    _, out, _ = await api.kubectl("apply", "-f", "-", stdin=SERVICE)
    assert out == "service/web unchanged\n"
    changed = SERVICE.replace("port: 80,", "port: 81,").replace(
        "app: web}\n  ports", "app: x}\n  ports"
    )
    _, out, _ = await api.kubectl("apply", "-f", "-", stdin=changed)
    assert out == "service/web configured\n"
    found = await show(api, "get", "service", "web")
    assert [p["port"] for p in found["spec"]["ports"]] == [81]
    assert found["spec"]["selector"] == {"app": "x"}
    _, out, _ = await api.kubectl("get", "svc")
    head, line = out.splitlines()
    assert head.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert line.split()[:2] == ["web", "LoadBalancer"]
    assert line.split()[3] == "<pending>"
    _, out, _ = await api.kubectl("delete", "service", "web")
    assert out.startswith('service "web" deleted')
    code, _, error = await api.kubectl("get", "svc", "web", check=False)
    assert code == 1
    assert error == 'Error from server (NotFound): services "web" not found\n'


async def test_validation_is_the_servers(api: Api) -> None:
    wrong = SERVICE.replace("selector: {app: web}", "selectr: {app: web}")
    code, _, error = await api.kubectl("apply", "-f", "-", stdin=wrong, check=False)
    assert code == 1
    assert 'strict decoding error: unknown field "spec.selectr"' in error
    _, out, error = await api.kubectl("apply", "--validate=warn", "-f", "-", stdin=wrong)
    assert out == "service/web created\n"
    assert error == 'Warning: unknown field "spec.selectr"\n'


async def test_label_annotate_patch(api: Api) -> None:
    await api.kubectl("apply", "-f", "-", stdin=SERVICE)
    await api.kubectl("label", "svc", "web", "a=b")
    await api.kubectl("annotate", "svc", "web", "c=d")
    found = await show(api, "get", "svc", "web")
    assert found["metadata"]["labels"] == {"app": "web", "a": "b"}
    assert found["metadata"]["annotations"]["c"] == "d"
    code, _, error = await api.kubectl("label", "svc", "web", "a=c", check=False)
    assert (code, "--overwrite" in error) == (1, True)
    await api.kubectl("label", "svc", "web", "a-")
    ports = '{"spec":{"ports":[{"port":80,"targetPort":9090}]}}'
    await api.kubectl("patch", "svc", "web", "-p", ports)
    selector = '{"spec":{"selector":{"x":"y"}}}'
    await api.kubectl("patch", "svc", "web", "--type=merge", "-p", selector)
    operation = '[{"op":"remove","path":"/spec/selector/app"}]'
    await api.kubectl("patch", "svc", "web", "--type=json", "-p", operation)
    status = '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}'
    await api.kubectl("patch", "svc", "web", "--subresource=status", "--type=merge", "-p", status)
    found = await show(api, "get", "svc", "web")
    assert found["metadata"]["labels"] == {"app": "web"}
    assert found["spec"]["ports"][0] == {
        "name": "http", "port": 80, "protocol": "TCP", "targetPort": 9090,
        "nodePort": found["spec"]["ports"][0]["nodePort"],
    }  # fmt: skip
    assert found["spec"]["selector"] == {"x": "y"}
    _, out, _ = await api.kubectl("get", "svc", "web", "--no-headers")
    assert out.split()[3] == "192.0.2.7"


async def test_create_replace_and_edit(api: Api, monkeypatch: Any) -> None:
    _, out, _ = await api.kubectl("create", "-f", "-", stdin=SERVICE)
    assert out == "service/web created\n"
    code, _, error = await api.kubectl("create", "-f", "-", stdin=SERVICE, check=False)
    assert (code, "AlreadyExists" in error) == (1, True)
    found = await show(api, "get", "svc", "web")
    found["spec"]["selector"] = {"a": "b"}
    _, out, _ = await api.kubectl("replace", "-f", "-", stdin=json.dumps(found))
    assert out == "service/web replaced\n"
    monkeypatch.setenv("EDITOR", "sed -i s/8080/7070/")
    _, out, _ = await api.kubectl("edit", "svc", "web")
    assert out == "service/web edited\n"
    found = await show(api, "get", "svc", "web")
    assert found["spec"]["ports"][0]["targetPort"] == 7070
    assert found["spec"]["selector"] == {"a": "b"}


async def test_describe(api: Api) -> None:
    await api.kubectl("apply", "-f", "-", stdin=SERVICE)
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "involvedObject": {"kind": "Service", "name": "web", "namespace": api.namespace},
        "reason": "Assigned",
        "message": "an address",
        "type": "Normal",
    }
    found = await show(api, "get", "svc", "web")
    event["involvedObject"]["uid"] = found["metadata"]["uid"]  # type: ignore[index]
    (await api.post(f"{api.core}/events", event)).ok(201)
    _, out, _ = await api.kubectl("describe", "svc", "web")
    lines = dict(line.split(":", 1) for line in out.splitlines() if ":" in line and line[0] != " ")
    assert lines["Name"].strip() == "web"
    assert lines["Type"].strip() == "LoadBalancer"
    assert lines["Selector"].strip() == "app=web"
    assert lines["TargetPort"].strip() == "8080/TCP"
    assert "Assigned" in out
    assert "an address" in out
    _, out, _ = await api.kubectl("get", "events")
    assert "service/web" in out


@with_crd(SCHEMA, version=COLUMNS, names={"shortNames": ["wdx"], "categories": ["gizmos"]})
async def test_custom_resources(api: Api, path: str) -> None:
    body = json.dumps(widget(api, "w", {"size": 3, "list": ["a"]}))
    _, out, _ = await api.kubectl("apply", "-f", "-", stdin=body)
    assert out == f"widget.{group_of(api)}/w created\n"
    body = json.dumps(widget(api, "w", {"size": 4, "list": ["b"]}))
    await api.kubectl("apply", "-f", "-", stdin=body)
    _, out, _ = await api.kubectl("get", "wdx")
    assert [line.split() for line in out.splitlines()] == [["NAME", "SIZE"], ["w", "4"]]
    found = await show(api, "get", f"widgets.{group_of(api)}", "w")
    assert found["spec"] == {"size": 4, "list": ["b"]}
    _, out, _ = await api.kubectl("get", "gizmos")
    assert "w" in out
    wrong = json.dumps(widget(api, "x", {"sizes": 3}))
    code, _, error = await api.kubectl("apply", "-f", "-", stdin=wrong, check=False)
    assert code == 1
    assert 'unknown field "spec.sizes"' in error
    _, out, _ = await api.kubectl("describe", "wdx", "w")
    assert "Size:" in out
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await api.kubectl("patch", "wdx", "w", "--subresource=status", "--type=merge", "-p", status)
    _, out, _ = await api.kubectl("wait", "--for=condition=Ready", "wdx/w", "--timeout=5s")
    assert out == f"widget.{group_of(api)}/w condition met\n"
    _, out, _ = await api.kubectl("delete", "wdx", "--all")
    assert '"w" deleted' in out


@with_crd(SCHEMA, names={"kind": "Explained", "plural": "widgets"})
async def test_explain(api: Api, path: str) -> None:
    _, out, _ = await api.kubectl("explain", "service.spec.ports.port")
    assert "The port that will be exposed by this service." in out
    assert "FIELD: port <integer>" in out
    kind = f"--api-version={group_of(api)}/v1"

    async def explained() -> str:
        _, text, _ = await api.kubectl("explain", "widgets.spec", kind, check=False)
        return text

    text = await eventually(explained, pause=0.2)
    assert "what it shall be" in text
    assert "how big" in text
    assert "list\t<[]string>" in text


@with_crd(names={"kind": "Listed", "shortNames": ["lstd"]})
async def test_api_resources(api: Api, path: str) -> None:
    _, out, _ = await api.kubectl("api-resources", "--no-headers", namespace=False)
    lines = {line.split()[-1]: line.split() for line in out.splitlines()}
    assert lines["Service"] == ["services", "svc", "v1", "true", "Service"]
    assert lines["Node"] == ["nodes", "no", "v1", "false", "Node"]
    assert lines["Listed"] == ["widgets", "lstd", f"{group_of(api)}/v1", "true", "Listed"]
    _, out, _ = await api.kubectl("api-versions", namespace=False)
    assert {"v1", "apps/v1", f"{group_of(api)}/v1"} <= set(out.split())


async def test_wait_and_watch(api: Api) -> None:
    (await api.post(f"{api.core}/configmaps", config_map("a"))).ok(201)
    _, out, _ = await api.kubectl("wait", "--for=jsonpath={.metadata.name}=a", "cm/a")
    assert out == "configmap/a condition met\n"
    (await api.delete(f"{api.core}/configmaps/a")).ok()
    await api.kubectl("wait", "--for=delete", "cm/a", "--timeout=5s")
    _, out, _ = await api.kubectl("get", "cm", "-w", "--request-timeout=1s", check=False)
    assert out == ""


async def test_watching_shows_each_change(api: Api) -> None:
    path = f"{api.core}/services"
    (await api.post(path, service("a", type="LoadBalancer"))).ok(201)
    async with api.kubectl_running("get", "svc", "--watch", "--no-headers") as line:
        assert (await line()).split()[:2] == ["a", "LoadBalancer"]
        (await api.post(path, service("b"))).ok(201)
        assert (await line()).split()[:2] == ["b", "ClusterIP"]
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}}
        (await api.patch(f"{path}/a/status", status)).ok()
        assert (await line()).split()[3] == "192.0.2.9"
        (await api.delete(f"{path}/b")).ok()
        assert (await line()).split()[0] == "b"


async def test_server_side_apply(api: Api) -> None:
    words = ("apply", "--server-side", "-f", "-")
    _, out, error = await api.kubectl(*words, stdin=SERVICE, check=False)
    assert (out or error).startswith(api.server.expect(KUBECTL_APPLY))


async def test_output_forms_and_pages(api: Api) -> None:
    for index in range(5):
        (await api.post(f"{api.core}/services", service(f"s{index}"))).ok(201)
    _, out, _ = await api.kubectl("get", "svc", "--chunk-size=2", "-o", "name")
    assert out.split() == [f"service/s{n}" for n in range(5)]
    _, out, _ = await api.kubectl("get", "svc", "-o", "jsonpath={.items[*].metadata.name}")
    assert out.split() == [f"s{n}" for n in range(5)]
    _, out, _ = await api.kubectl("get", "svc", "s1", "-o", "yaml")
    assert "kind: Service" in out
    columns = "custom-columns=N:.metadata.name,T:.spec.type"
    _, out, _ = await api.kubectl("get", "svc", "s1", "--no-headers", "-o", columns)
    assert out.split() == ["s1", "ClusterIP"]
    _, out, _ = await api.kubectl("get", "svc", "--field-selector=metadata.name=s2", "-o", "name")
    assert out == "service/s2\n"
    _, out, _ = await api.kubectl("get", "all", "-o", "name")
    assert "service/s0" in out


async def test_version(api: Api) -> None:
    _, out, _ = await api.kubectl("version", "-o", "json", namespace=False)
    version = json.loads(out)
    assert version["serverVersion"]["minor"] == "35"
    assert version["clientVersion"]["gitVersion"] == "v1.35.4"


async def test_diff_and_dry_run(api: Api) -> None:
    _, out, _ = await api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=SERVICE)
    assert out == "service/web created (server dry run)\n"
    code, _, _ = await api.kubectl("get", "svc", "web", check=False)
    assert code == 1
