"""The other built-in kinds: what the server fills in, what it refuses."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Document, config_map, pod, some
from contract.differences import RBAC

if TYPE_CHECKING:
    from contract.api import Api


# ---------------------------------------------------------------- Namespaces


async def test_a_namespace_lives_and_goes(api: Api) -> None:
    name = f"{api.namespace}-x"
    made = (await api.post("/api/v1/namespaces", some("v1", "Namespace", name))).ok(201)
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    path = f"/api/v1/namespaces/{name}"
    marked = (await api.delete(path)).ok()
    assert marked["status"]["phase"] == "Terminating"
    assert marked["metadata"]["deletionTimestamp"]
    refused = await api.post(f"{path}/configmaps", config_map("a"))
    body = refused.failed(403, "Forbidden")
    assert body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    final = some("v1", "Namespace", name, spec={"finalizers": []})
    (await api.put(f"{path}/finalize", final)).ok()
    (await api.get(path)).failed(404, "NotFound")


async def test_namespaces_that_stay(api: Api) -> None:
    for name in ("default", "kube-system", "kube-public"):
        (await api.delete(f"/api/v1/namespaces/{name}")).failed(403, "Forbidden")


async def test_what_a_fresh_cluster_has(api: Api) -> None:
    found = (await api.get("/api/v1/namespaces")).ok()["items"]
    names = {item["metadata"]["name"] for item in found}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    own = (await api.get("/api/v1/namespaces/default/services/kubernetes")).ok()
    assert own["spec"]["clusterIP"] == "10.96.0.1"
    assert own["metadata"]["labels"] == {"component": "apiserver", "provider": "kubernetes"}


# ---------------------------------------------------------------- ConfigMaps, Secrets


async def test_secrets(api: Api) -> None:
    path = f"{api.core}/secrets"
    body = some("v1", "Secret", "s", stringData={"a": "b"}, data={"c": "ZA=="})
    made = (await api.post(path, body)).ok(201)
    assert made["type"] == "Opaque"
    assert made["data"] == {"a": base64.b64encode(b"b").decode(), "c": "ZA=="}
    assert "stringData" not in made
    wrong = some("v1", "Secret", "w", data={"a": "not base64!"})
    (await api.post(path, wrong)).failed(400, "BadRequest")
    change = await api.patch(f"{path}/s", {"type": "lab/other"})
    assert change.causes() == {("FieldValueInvalid", "type")}
    tls = some("v1", "Secret", "t", type="kubernetes.io/tls")
    found = (await api.post(path, tls)).causes()
    assert found == {
        ("FieldValueRequired", "data[tls.crt]"),
        ("FieldValueRequired", "data[tls.key]"),
    }


async def test_config_maps(api: Api) -> None:
    path = f"{api.core}/configmaps"
    found = (await api.post(path, config_map("a", {"b/c": "x"}))).causes()
    assert found == {("FieldValueInvalid", "data[b/c]")}
    large = config_map("a", {"a": "x" * (1024 * 1024 + 1)})
    assert (await api.post(path, large)).causes() == {("FieldValueTooLong", "[]")}


async def test_immutable_ones(api: Api) -> None:
    path = f"{api.core}/configmaps"
    (await api.post(path, config_map("a", {"k": "1"}) | {"immutable": True})).ok(201)
    found = (await api.patch(f"{path}/a", {"data": {"k": "2"}})).causes()
    assert found == {("FieldValueForbidden", "data")}
    found = (await api.patch(f"{path}/a", {"immutable": False})).causes()
    assert ("FieldValueForbidden", "immutable") in found
    (await api.patch(f"{path}/a", {"metadata": {"labels": {"a": "b"}}})).ok()


async def test_service_accounts(api: Api) -> None:
    path = f"{api.core}/serviceaccounts"
    made = (await api.post(path, some("v1", "ServiceAccount", "s"))).ok(201)
    assert set(made) == {"apiVersion", "kind", "metadata"}
    assert (await api.delete(f"{path}/s")).ok()["kind"] == "ServiceAccount"


# ---------------------------------------------------------------- Pods


async def test_defaults_of_pods(api: Api) -> None:
    made = (await api.post(f"{api.core}/pods", pod("p") | {"status": {"phase": "Running"}})).ok(201)
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    spec = made["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["securityContext"] == {}
    assert spec["enableServiceLinks"] is True
    (container,) = spec["containers"]
    assert container == {
        "name": "c",
        "image": "nginx:1",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    assert {t["key"] for t in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable",
    }  # fmt: skip


async def test_pods_hardly_change(api: Api) -> None:
    (await api.post(f"{api.core}/pods", pod("p"))).ok(201)
    path = f"{api.core}/pods/p"
    found = (await api.patch(path, {"spec": {"nodeName": "n1"}})).causes()
    assert found == {("FieldValueForbidden", "spec")}
    image = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
    done = await api.patch(path, image, content_type="application/strategic-merge-patch+json")
    assert done.ok()["spec"]["containers"][0]["image"] == "nginx:2"
    status = {"status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}}
    shown = (await api.patch(f"{path}/status", status)).ok()
    assert shown["status"]["podIP"] == "10.0.0.1"
    ignored = (await api.patch(path, {"status": {"phase": "Failed"}})).ok()
    assert ignored["status"]["phase"] == "Running"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [{"image": "x"}]}, "spec.containers[0].name"),
        ({"containers": [{"name": "c"}]}, "spec.containers[0].image"),
        ({"containers": [{"name": "C", "image": "x"}]}, "spec.containers[0].name"),
        ({"restartPolicy": "Maybe"}, "spec.restartPolicy"),
    ],
)
async def test_pods_that_are_refused(api: Api, spec: dict[str, Any], field: str) -> None:
    answer = await api.post(f"{api.core}/pods", pod("p", **spec))
    assert field in {name for _, name in answer.causes()}


# ---------------------------------------------------------------- workloads, RBAC


def workload(kind: str, **change: Any) -> Document:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": pod("p")["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template} | change
    return some("apps/v1", kind, "w", spec=spec)


async def test_defaults_of_deployments(api: Api) -> None:
    made = (await api.post(f"{api.group('apps/v1')}/deployments", workload("Deployment"))).ok(201)
    spec = made["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert made["status"] == {}


async def test_defaults_of_daemon_sets(api: Api) -> None:
    path = f"{api.group('apps/v1')}/daemonsets"
    made = (await api.post(path, workload("DaemonSet"))).ok(201)
    assert made["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }
    assert made["status"]["desiredNumberScheduled"] == 0
    status = {"status": {"desiredNumberScheduled": 3, "numberReady": 2, "currentNumberScheduled": 3,
                         "numberMisscheduled": 0}}  # fmt: skip
    assert (await api.patch(f"{path}/w/status", status)).ok()["status"]["numberReady"] == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"selector": None}, "spec.selector"),
        ({"selector": {"matchLabels": {"app": "y"}}}, "spec.template.metadata.labels"),
        ({"selector": {}}, "spec.selector"),
        ({"replicas": -1}, "spec.replicas"),
        ({"minReadySeconds": -1}, "spec.minReadySeconds"),
        ({"strategy": {"type": "Odd"}}, "spec.strategy"),
    ],
)
async def test_deployments_that_are_refused(api: Api, change: dict[str, Any], field: str) -> None:
    answer = await api.post(f"{api.group('apps/v1')}/deployments", workload("Deployment", **change))
    assert field in {name for _, name in answer.causes()}


async def test_generations_of_deployments_count_annotations(api: Api) -> None:
    path = f"{api.group('apps/v1')}/deployments"
    made = (await api.post(path, workload("Deployment"))).ok(201)
    for change, generation in (
        ({"metadata": {"labels": {"a": "b"}}}, 1),
        ({"metadata": {"annotations": {"a": "b"}}}, 2),
        ({"spec": {"replicas": 2}}, 3),
    ):
        made = (await api.patch(f"{path}/w", change)).ok()
        assert made["metadata"]["generation"] == generation


async def test_selectors_of_workloads_are_fixed(api: Api) -> None:
    path = f"{api.group('apps/v1')}/deployments"
    (await api.post(path, workload("Deployment"))).ok(201)
    labels = {"app": "z"}
    change: Document = {"spec": {"selector": {"matchLabels": labels}}}
    change["spec"]["template"] = {"metadata": {"labels": labels}}
    found = (await api.patch(f"{path}/w", change)).causes()
    assert ("FieldValueInvalid", "spec.selector") in found


async def test_rbac_objects(api: Api) -> None:
    where = "/apis/rbac.authorization.k8s.io/v1"
    name = f"suite:{api.namespace}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    role = some("rbac.authorization.k8s.io/v1", "ClusterRole", name, rules=rules)
    (await api.post(f"{where}/clusterroles", role)).ok(201)
    empty = some("rbac.authorization.k8s.io/v1", "ClusterRole", "x", rules=[{"verbs": []}])
    found = {f for _, f in (await api.post(f"{where}/clusterroles", empty)).causes()}
    assert "rules[0].verbs" in found
    binding = some("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", name)
    binding["roleRef"] = {"kind": "ClusterRole", "name": name}
    binding["subjects"] = [{"kind": "User", "name": "nobody"}]
    made = (await api.post(f"{where}/clusterrolebindings", binding)).ok(201)
    assert made["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert made["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    change = {"roleRef": {**made["roleRef"], "name": "other"}}
    found = {
        f for _, f in (await api.patch(f"{where}/clusterrolebindings/{name}", change)).causes()
    }
    assert found == {"roleRef"}
    token = api.server.tokens["alice"]
    answer = await api.get(f"{api.core}/configmaps", token=token)
    assert answer.status == api.server.expect(RBAC)


async def test_webhook_configurations(api: Api) -> None:
    where = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    hook = {
        "name": "a.lab.example.com",
        "clientConfig": {"service": {"name": "s", "namespace": "n"}},
        "rules": [{"apiGroups": ["nothing.example.com"], "apiVersions": ["v1"],
                   "operations": ["CREATE"], "resources": ["x"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }  # fmt: skip
    body = some("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
                api.namespace, webhooks=[hook])  # fmt: skip
    made = (await api.post(where, body)).ok(201)
    (shown,) = made["webhooks"]
    assert shown["failurePolicy"] == "Fail"
    assert shown["matchPolicy"] == "Equivalent"
    assert (shown["namespaceSelector"], shown["objectSelector"]) == ({}, {})
    assert shown["timeoutSeconds"] == 10
    assert shown["rules"][0]["scope"] == "*"
    assert shown["clientConfig"]["service"]["port"] == 443
    assert made["metadata"]["generation"] == 1
    (await api.delete(f"{where}/{api.namespace}")).ok()
    for change, field in (
        ({"name": "ab"}, "webhooks[0].name"),
        ({"sideEffects": "Some"}, "webhooks[0].sideEffects"),
        ({"sideEffects": None}, "webhooks[0].sideEffects"),
        ({"clientConfig": {"url": "http://x"}}, "webhooks[0].clientConfig.url"),
        ({"clientConfig": {}}, "webhooks[0].clientConfig"),
        ({"admissionReviewVersions": []}, "webhooks[0].admissionReviewVersions"),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds"),
        ({"failurePolicy": "Some"}, "webhooks[0].failurePolicy"),
        ({"rules": [{"operations": ["MAKE"], "apiGroups": ["*"], "apiVersions": ["*"],
                     "resources": ["*"]}]}, "webhooks[0].rules[0].operations[0]"),
    ):  # fmt: skip
        bad = {**body, "webhooks": [hook | change]}
        assert field in {f for _, f in (await api.post(where, bad)).causes()}, change
