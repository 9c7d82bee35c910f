"""dmt's rules over the rendered chart, one test a rule: container, templates, rbac.

dmt itself cannot be had where these tests run. A rule that our objects break has its exclusion and
the reason in `.dmtlint.yaml`.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from module.templates.rendering import (
    NAMESPACE,
    ROOT,
    Case,
    Manifest,
    containers,
    pod_spec,
    workloads,
)

pytestmark = pytest.mark.real

API_VERSIONS = {
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
}
PRIORITIES = {"system-node-critical", "system-cluster-critical", "cluster-critical",
              "cluster-medium", "cluster-low"}  # fmt: skip


def _sources(pattern: str) -> list[tuple[str, str]]:
    files = sorted(p for p in ROOT.glob(f"templates/{pattern}") if p.is_file())
    found = [(str(path.relative_to(ROOT)), path.read_text()) for path in files]
    assert found
    return found


# ---------------------------------------------------------------- container


def test_object_recommended_labels(rendered: list[Manifest]) -> None:
    for item in rendered:
        labels = item["metadata"]["labels"]
        assert (labels["heritage"], labels["module"]) == ("deckhouse", "metallb")


def test_object_namespace_labels(rendered: list[Manifest]) -> None:
    [namespace] = [item for item in rendered if item["kind"] == "Namespace"]
    assert namespace["metadata"]["name"] == NAMESPACE
    labels = namespace["metadata"]["labels"]
    assert labels["prometheus.deckhouse.io/rules-watcher-enabled"] == "true"


def test_object_api_version(rendered: list[Manifest]) -> None:
    for item in rendered:
        assert item["apiVersion"] == API_VERSIONS.get(item["kind"], item["apiVersion"])


def test_object_priority_class(rendered: list[Manifest]) -> None:
    assert all(pod_spec(item)["priorityClassName"] in PRIORITIES for item in workloads(rendered))


def test_dns_policy(rendered: list[Manifest]) -> None:
    for item in workloads(rendered):
        spec = pod_spec(item)
        if spec.get("hostNetwork"):
            assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"


def test_controller_security_context(rendered: list[Manifest]) -> None:
    for item in workloads(rendered):
        context = pod_spec(item)["securityContext"]
        ids = (context["runAsUser"], context["runAsGroup"])
        allowed = [(65534, 65534), (64535, 64535)] if context["runAsNonRoot"] else [(0, 0)]
        assert ids in allowed


def test_only_the_speaker_is_root(rendered: list[Manifest]) -> None:
    root = [i["metadata"]["name"] for i in workloads(rendered)
            if not pod_spec(i)["securityContext"]["runAsNonRoot"]]  # fmt: skip
    assert root in ([], ["speaker"])


def test_object_revision_history_limit(rendered: list[Manifest]) -> None:
    assert all(item["spec"]["revisionHistoryLimit"] <= 2 for item in workloads(rendered))


def test_name_duplicates(rendered: list[Manifest]) -> None:
    for item in workloads(rendered):
        names = [container["name"] for container in pod_spec(item)["containers"]]
        assert len(names) == len(set(names))


def test_env_variables_duplicates(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        names = [item["name"] for item in container.get("env", [])]
        assert len(names) == len(set(names))


def test_read_only_root_filesystem(rendered: list[Manifest]) -> None:
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for _, c in containers(rendered))


def test_no_new_privileges(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_capabilities_are_dropped_and_few_are_added(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        capabilities = container["securityContext"]["capabilities"]
        assert capabilities["drop"] == ["ALL"]
        expected = ["NET_RAW", "SYS_NICE"] if container["name"] == "speaker" else []
        assert capabilities.get("add", []) == expected


def test_seccomp_profile(rendered: list[Manifest]) -> None:
    for item in workloads(rendered):
        pod = pod_spec(item)["securityContext"].get("seccompProfile")
        for container in pod_spec(item)["containers"]:
            own = container["securityContext"].get("seccompProfile", pod)
            assert own == {"type": "RuntimeDefault"}


def test_host_network_ports(rendered: list[Manifest]) -> None:
    for item in workloads(rendered):
        if pod_spec(item).get("hostNetwork"):
            ports = [p["containerPort"] for c in pod_spec(item)["containers"] for p in c["ports"]]
            assert sorted(ports) == [4225, 4226]


def test_ports(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        assert all(port["containerPort"] > 1024 for port in container["ports"])


def test_image_digest(rendered: list[Manifest]) -> None:
    pattern = re.compile(r"registry\.example\.com/deckhouse[a-z/]*@sha256:[0-9a-f]{64}")
    assert all(pattern.fullmatch(c["image"]) for _, c in containers(rendered))


def test_image_pull_policy(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        assert container.get("imagePullPolicy", "IfNotPresent") == "IfNotPresent"


def test_image_pull_secrets(rendered: list[Manifest]) -> None:
    names = {i["metadata"]["name"] for i in rendered if i["kind"] == "Secret"}
    for item in workloads(rendered):
        [secret] = pod_spec(item)["imagePullSecrets"]
        assert secret["name"] in names


def test_resources(rendered: list[Manifest]) -> None:
    for _, container in containers(rendered):
        assert container["resources"]["requests"]["ephemeral-storage"] == "50Mi"


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_probes(rendered: list[Manifest], probe: str) -> None:
    for _, container in containers(rendered):
        handlers = {"httpGet", "tcpSocket", "exec", "grpc"} & container[probe].keys()
        assert len(handlers) == 1


def test_mount_points(rendered: list[Manifest], case: Case) -> None:
    """What is mounted is declared, and the other way round; upstream's proxy has its own image, and
    a certificate that the controller makes is in no file.
    """
    mounted = {
        mount["mountPath"]
        for _, container in containers(rendered)
        for mount in container.get("volumeMounts", [])
    }
    if case.upstream_proxy:
        mounted.remove("/etc/kube-rbac-proxy")
    if case.own_certificate:
        mounted.add("/etc/metallb/webhook-tls")
    images = {item["metadata"]["name"] for item in workloads(rendered)}
    declared = [yaml.safe_load((ROOT / f"images/{name}/mount-points.yaml").read_text())["dirs"]
                for name in images]  # fmt: skip
    assert mounted == {path for paths in declared for path in paths}


def test_nothing_of_the_node_is_mounted(rendered: list[Manifest]) -> None:
    """dmt: sys-cgroup-mount; here no pod mounts anything of its node."""
    for item in workloads(rendered):
        kinds = {key for volume in pod_spec(item).get("volumes", []) for key in volume}
        assert kinds <= {"name", "secret", "configMap", "emptyDir"}


# ---------------------------------------------------------------- templates


def test_crd_enabled_modules() -> None:
    names = re.compile(r'"[a-z-]+-crd"')
    assert not [name for name, text in _sources("**/*") if names.search(text)]


def _selects(selector: Manifest, labels: Manifest) -> bool:
    return bool(selector["matchLabels"].items() <= labels.items())


def test_vpa(rendered: list[Manifest]) -> None:
    scalers = {item["spec"]["targetRef"]["name"]: item for item in rendered
               if item["kind"] == "VerticalPodAutoscaler"}  # fmt: skip
    if not scalers:
        return
    assert scalers.keys() == {item["metadata"]["name"] for item in workloads(rendered)}
    for item in workloads(rendered):
        spec = scalers[item["metadata"]["name"]]["spec"]
        assert spec["updatePolicy"]["updateMode"] in ("Off", "Initial", "Recreate",
                                                      "InPlaceOrRecreate")  # fmt: skip
        policies = spec["resourcePolicy"]["containerPolicies"]
        names = {container["name"] for container in pod_spec(item)["containers"]}
        assert {policy["containerName"] for policy in policies} == names
        for policy in policies:
            for resource in ("cpu", "memory"):
                least, most = policy["minAllowed"][resource], policy["maxAllowed"][resource]
                assert _quantity(least) <= _quantity(most)


def _quantity(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(m|Mi|Gi)?", str(text))
    assert found
    return float(found.group(1)) * {"m": 0.001, "Mi": 2**20, "Gi": 2**30}.get(found.group(2), 1)


def test_pdb(rendered: list[Manifest]) -> None:
    budgets = [item for item in rendered if item["kind"] == "PodDisruptionBudget"]
    for item in rendered:
        if item["kind"] == "Deployment":
            labels = item["spec"]["template"]["metadata"]["labels"]
            matching = [b for b in budgets if _selects(b["spec"]["selector"], labels)]
            assert len(matching) == 1
            assert "annotations" not in matching[0]["metadata"]


def test_service_port(rendered: list[Manifest]) -> None:
    for item in rendered:
        if item["kind"] == "Service":
            assert all(isinstance(port["targetPort"], str) for port in item["spec"]["ports"])


def test_kube_rbac_proxy(rendered: list[Manifest]) -> None:
    names = {(i["metadata"].get("namespace"), i["metadata"]["name"]) for i in rendered
             if i["kind"] == "ConfigMap"}  # fmt: skip
    assert (NAMESPACE, "kube-rbac-proxy-ca.crt") in names
    for item in workloads(rendered):
        assert "kube-rbac-proxy" in [c["name"] for c in pod_spec(item)["containers"]]


def test_webhook_configuration_annotations(rendered: list[Manifest]) -> None:
    for item in rendered:
        if item["kind"] == "ValidatingWebhookConfiguration":
            assert "werf.io/weight" in item["metadata"]["annotations"]


def test_cluster_domain() -> None:
    assert not [name for name, text in _sources("**/*") if "cluster.local" in text]


def test_nothing_random_and_no_lookup() -> None:
    words = re.compile(r"\b(randAlpha|randNumeric|randAscii|genCA|genSigned|now|uuidv4|lookup)\b")
    for name, text in _sources("**/*"):
        assert not [m for m in re.findall(r"\{\{(.*?)\}\}", text, re.S) if words.search(m)], name


def test_registry() -> None:
    text = (ROOT / "templates/registry-secret.yaml").read_text()
    assert "metallb-module-registry" in text.replace("{{ .Chart.Name }}", "metallb")


# ---------------------------------------------------------------- rbac


def _by_file() -> dict[str, list[str]]:
    """Kinds in each file of templates, read from its text: enough to know what is where."""
    return {name: re.findall(r"^kind: (\S+)$", text, re.M) for name, text in _sources("**/*.yaml")}


RBAC_KINDS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_placement_of_accounts_and_roles() -> None:
    for name, kinds in _by_file().items():
        if name.endswith("rbac-for-us.yaml"):
            assert set(kinds) <= RBAC_KINDS, name
        elif "rbac" not in name and "user-authz" not in name:
            assert not set(kinds) & RBAC_KINDS, name


@pytest.mark.parametrize("component", ["controller", "speaker"])
def test_placement_of_names(full: list[Manifest], component: str) -> None:
    accounts = [i["metadata"]["name"] for i in full if i["kind"] == "ServiceAccount"]
    assert sorted(accounts) == ["controller", "speaker"]
    for item in full:
        if item["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            assert item["metadata"]["name"].startswith("d8:")
        if item["kind"] in ("Role", "RoleBinding"):
            name = item["metadata"]["name"]
            assert name in ("controller", "speaker") or name.startswith("access-to-")
    assert component in accounts


def test_user_authz(full: list[Manifest]) -> None:
    levels = {}
    for item in full:
        if item["metadata"]["name"].startswith("d8:user-authz:"):
            assert item["kind"] == "ClusterRole"
            level = item["metadata"]["annotations"]["user-authz.deckhouse.io/access-level"]
            kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", level).lower()
            assert item["metadata"]["name"] == f"d8:user-authz:metallb:{kebab}"
            levels[level] = item
    assert set(levels) == {"User", "ClusterEditor"}


def test_binding_subject(full: list[Manifest]) -> None:
    accounts = {(i["metadata"]["namespace"], i["metadata"]["name"]) for i in full
                if i["kind"] == "ServiceAccount"} | {("d8-monitoring", "prometheus")}  # fmt: skip
    for item in full:
        for subject in item.get("subjects", []):
            if subject["kind"] == "ServiceAccount":
                assert (subject["namespace"], subject["name"]) in accounts


def test_wildcards(full: list[Manifest]) -> None:
    rules: list[Any] = [rule for item in full for rule in item.get("rules", [])
                        if item["kind"] in ("Role", "ClusterRole")]  # fmt: skip
    assert rules
    for rule in rules:
        for key in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule[key]


def test_secrets_are_read_by_speakers_alone_and_in_the_modules_namespace(
    full: list[Manifest],
) -> None:
    """Passwords of BGP sessions are there; whatever is elsewhere a hook brings."""
    found = [
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"], rule["verbs"])
        for item in full
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item.get("rules", [])
        if "secrets" in rule["resources"]
    ]
    assert found == [("Role", "d8-metallb", "speaker", ["list", "watch"])]


def test_accounts_do_not_mount_their_token_and_pods_do(full: list[Manifest]) -> None:
    for item in full:
        if item["kind"] == "ServiceAccount":
            assert item["automountServiceAccountToken"] is False
    assert all(pod_spec(item)["automountServiceAccountToken"] for item in workloads(full))
