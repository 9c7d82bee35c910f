"""What only the embedded server has or does: its Python side, its refusals, its limits."""

from __future__ import annotations

import asyncio
import base64
import gc
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from metallb_lab.apiserver import ApiServer, Authenticator
from metallb_lab.apiserver.certificates import write_serving
from metallb_lab.apiserver.documents import encode
from metallb_lab.apiserver.store import Key
from metallb_lab.apiserver.watching import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from lab.apiserver.conftest import Client

PATH = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

BETA_CONVERSION = {
    "strategy": "Webhook",
    "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1beta1"]},
}


def definition(**spec: Any) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True,
               "schema": {"openAPIV3Schema": schema}}  # fmt: skip
    body = {
        "group": "lab.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [version],
    }
    return {"metadata": {"name": "widgets.lab.example.com"}, "spec": body | spec}


async def test_without_tokens_everybody_is_the_admin(session: aiohttp.ClientSession) -> None:
    async with ApiServer() as server:
        assert server.admin_token() == ""
        async with session.get(f"{server.url}{PATH}") as answer:
            assert answer.status == 200


async def test_with_tokens_nobody_else_comes_in(admin: Client, server: ApiServer) -> None:
    async with admin.session.get(f"{server.url}{PATH}") as answer:
        assert answer.status == 401
    for path in ("/healthz", "/readyz", "/livez", "/version"):
        async with admin.session.get(server.url + path) as answer:
            assert answer.status == 200
    for path in ("/api", "/apis", "/openapi/v3", "/lab/faults"):
        async with admin.session.get(server.url + path) as answer:
            assert answer.status == 401
    assert server.admin_token() == "admin-token"
    assert "admin-token" in server.kubeconfig()
    assert "alice-token" in server.kubeconfig("alice-token")


async def test_the_store_is_there_for_tests(admin: Client, server: ApiServer) -> None:
    await admin.make("a", data={"k": "v"})
    stored = server.store.table("configmaps").get(Key("default", "a"))
    assert stored is not None
    assert stored.value["data"] == {"k": "v"}
    assert len(server.store.table("configmaps")) == 1


async def test_several_listeners(server: ApiServer, admin: Client) -> None:
    host, port = await server.listen("127.0.0.2")
    assert host == "127.0.0.2"
    await admin.make("a")
    url = f"http://{host}:{port}{PATH}/a"
    async with admin.session.get(url, headers={"Authorization": "Bearer admin-token"}) as answer:
        assert answer.status == 200


async def test_bookmarks_come_again_and_again(admin: Client) -> None:
    async with admin.watch(PATH, allowWatchBookmarks="true") as watch:
        for name in ("a", "b"):
            made = await admin.make(name)
            kinds = [(await watch.next())["type"]]
            while kinds[-1] != "BOOKMARK":
                event = await watch.next()
                kinds.append(event["type"])
            assert kinds == ["ADDED", "BOOKMARK"]
            known = int(event["object"]["metadata"]["resourceVersion"])
            assert known >= int(made["metadata"]["resourceVersion"])


async def test_history_is_bounded(session: aiohttp.ClientSession) -> None:
    async with ApiServer(history_limit=5) as server:
        for index in range(12):
            body = {"metadata": {"name": f"c{index}"}}
            async with session.post(f"{server.url}{PATH}", json=body) as answer:
                assert answer.status == 201
                version = (await answer.json())["metadata"]["resourceVersion"]
        old = str(int(version) - 6)
        query = {"watch": "1", "resourceVersion": old}
        async with session.get(f"{server.url}{PATH}", params=query) as answer:
            assert '"code":410' in (await answer.content.readline()).decode()
        query["resourceVersion"] = str(int(version) - 5)
        async with session.get(f"{server.url}{PATH}", params=query) as answer:
            assert '"ADDED"' in (await answer.content.readline()).decode()


async def test_a_watcher_that_does_not_read_is_let_go(
    server: ApiServer, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metallb_lab.apiserver.watching.QUEUE_LIMIT", 3)
    hold = server.faults.add("stall-watch")
    async with admin.watch(PATH) as watch:
        async with asyncio.timeout(20):
            while not server.watches:
                await asyncio.sleep(0.01)
        (running,) = server.watches
        for index in range(6):
            await admin.make(f"c{index}")
        assert running._finished
        server.faults.remove(hold)
        seen = [await watch.next() for _ in range(3)]
        assert [e["object"]["metadata"]["name"] for e in seen] == ["c0", "c1", "c2"]
        assert await watch.ended()


async def test_an_event_is_encoded_once_for_all_watches(
    server: ApiServer, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []

    def counting(value: Any) -> bytes:
        encoded.append(value)
        return encode(value)

    monkeypatch.setattr("metallb_lab.apiserver.watching.encode", counting)
    async with admin.watch(PATH) as one, admin.watch(PATH) as two, admin.watch(PATH) as three:
        await admin.make("a")
        for watch in (one, two, three):
            assert (await watch.next())["type"] == "ADDED"
    assert len(encoded) == 1


async def test_stopping_ends_watches_in_good_order(session: aiohttp.ClientSession) -> None:
    server = ApiServer()
    await server.listen()
    async with session.get(f"{server.url}{PATH}", params={"watch": "1"}) as answer:
        stopping = asyncio.create_task(server.stop())
        async with asyncio.timeout(20):
            assert await answer.content.read() == b""
            await stopping


# ---------------------------------------------------------------- refusals


async def test_what_is_refused_and_says_so(admin: Client) -> None:
    refusals = [
        ("POST", DEFINITIONS, definition(conversion=BETA_CONVERSION)),
        ("GET", f"{PATH}/a/scale", None),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/a/token", {}),
        ("POST", "/api/v1/namespaces/default/pods/a/eviction", {}),
        ("GET", "/api/v1/namespaces/default/pods/a/log", None),
    ]
    hook = {
        "name": "a.lab.example.com",
        "clientConfig": {"url": "https://x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    conditions = {**hook, "matchConditions": [{"name": "x", "expression": "true"}]}
    beta = {**hook, "admissionReviewVersions": ["v1beta1"]}
    refusals.extend(
        ("POST", WEBHOOKS, {"metadata": {"name": "w"}, "webhooks": [bad]})
        for bad in (conditions, beta)
    )
    for method, path, body in refusals:
        status, answer = await admin.call(method, path, body)
        assert status == 501, (path, answer)
        assert answer["reason"] == "NotImplemented"
        assert answer["message"].startswith("the embedded API server does not do this")


async def test_patches_by_apply_are_refused(admin: Client) -> None:
    for kind in ("application/apply-patch+yaml", "application/apply-patch+cbor"):
        status, body = await admin.call("PATCH", f"{PATH}/a", {}, headers={"Content-Type": kind})
        assert (status, body["reason"]) == (415, "UnsupportedMediaType")
        assert "server-side apply" in body["message"]


async def test_protobuf_is_refused_with_advice(admin: Client) -> None:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    status, body = await admin.call("POST", PATH, {}, headers=headers)
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")
    assert "kubectl apply -f -" in body["message"]


async def test_a_fault_of_our_own_is_a_status_and_is_logged(
    admin: Client,
    server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await admin.make("a")
    monkeypatch.setattr(server.lister, "page", lambda call: 1 / 0)
    status, body = await admin.call("GET", PATH)
    assert (status, body["reason"]) == (500, "InternalError")
    assert body["message"] == "Internal error occurred: ZeroDivisionError: division by zero"
    assert "GET /api/v1/namespaces/default/configmaps" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_fault_of_our_own_cuts_a_watch(
    admin: Client,
    server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await admin.make("a")
    async with admin.watch(PATH) as watch:
        assert (await watch.next())["type"] == "ADDED"
        monkeypatch.setattr(Watch, "_encode", lambda watch, event: 1 / 0)
        server.store.table("configmaps").remove(Key("default", "a"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await watch.next()
    assert "watch of" in caplog.text


async def test_a_crd_whose_objects_hold_it_goes_when_they_have_gone(admin: Client) -> None:
    async with admin.watch(DEFINITIONS) as crds:
        await admin.call("POST", DEFINITIONS, definition())
        while True:
            conditions = (await crds.next())["object"]["status"]["conditions"] or []
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                break
        path = "/apis/lab.example.com/v1/namespaces/default/widgets"
        body = {"apiVersion": "lab.example.com/v1", "kind": "Widget"}
        body |= {"metadata": {"name": "w", "finalizers": ["lab.example.com/x"]}}  # type: ignore[dict-item]
        assert (await admin.call("POST", path, body))[0] == 201
        await admin.call("DELETE", f"{DEFINITIONS}/widgets.lab.example.com")
        await crds.next()
        change = {"metadata": {"finalizers": None}}
        headers = {"Content-Type": "application/merge-patch+json"}
        assert (await admin.call("PATCH", f"{path}/w", change, headers=headers))[0] == 200
        assert (await crds.next())["type"] == "DELETED"
    assert (await admin.call("GET", path))[0] == 404


# ---------------------------------------------------------------- webhooks behind a Service


async def test_webhooks_of_a_service_are_reached_through_the_resolver(
    server: ApiServer, admin: Client, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def review(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(request.path)
        response = {"uid": body["request"]["uid"], "allowed": False}
        answer = web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )
        answer.force_close()
        return answer

    write_serving(tmp_path, ["hook.system.svc"], [])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    app = web.Application()
    app.router.add_post("/{path:.*}", review)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = int(runner.addresses[0][1])
    bundle = base64.b64encode((tmp_path / "ca.pem").read_bytes()).decode()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["configmaps"]}  # fmt: skip
    service = {"name": "hook", "namespace": "system", "path": "/check"}
    hook = {
        "name": "a.lab.example.com",
        "clientConfig": {"service": service, "caBundle": bundle},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body = {"metadata": {"name": "w"}, "webhooks": [hook]}
    try:
        assert (await admin.call("POST", WEBHOOKS, body))[0] == 201
        status, answer = await admin.call("POST", PATH, {"metadata": {"name": "a"}})
        assert status == 500
        assert 'service "hook" not found' in answer["message"]
        assert "https://hook.system.svc:443/check" in answer["message"]
        where = {"system/hook": f"127.0.0.1:{port}"}
        assert (await admin.call("PUT", "/lab/services", where))[0] == 200
        status, answer = await admin.call("POST", PATH, {"metadata": {"name": "a"}})
        assert (status, asked) == (400, ["/check"])
        server.callouts.resolver = lambda namespace, name, number: ("127.0.0.1", port)
        assert (await admin.call("POST", PATH, {"metadata": {"name": "a"}}))[0] == 400
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- limits


async def test_ten_thousand_services_fit(server: ApiServer, admin: Client) -> None:
    """The writer alone, without HTTP: objects, history and pools of a large cluster."""
    from metallb_lab.apiserver.auth import User
    from metallb_lab.apiserver.requests import Call, Target

    resource = server.registry.resource("services")
    user = User("suite")
    gc.collect()
    for index in range(10_000):
        call = Call(Target(resource, "default"), "create", user)
        spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False,
                "ports": [{"port": 80}]}  # fmt: skip
        body = {"metadata": {"name": f"s{index:05}"}, "spec": spec}
        await server.writer.create(call, body, b"")
    assert len(server.store.table("services")) == 10_001
    assert (
        len(server.store.table("services").since(server.store.table("services").oldest)) == 10_000
    )
    status, page = await admin.call("GET", "/api/v1/services?limit=500")
    assert (status, len(page["items"])) == (200, 500)
    assert page["metadata"]["remainingItemCount"] == 9501


async def test_tokens_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text('secret,alice,1,"a,b"\n# comment\nplain,bob,2\n')
    auth = Authenticator()
    auth.load(path)
    alice = auth.identify("Bearer secret", "/api")
    assert (alice.name, alice.uid) == ("alice", "1")
    assert alice.groups == ("a", "b", "system:authenticated")
    assert auth.identify("bearer plain", "/api").groups == ("system:authenticated",)
