"""The chart renders wherever the module may be installed, and what comes out is Kubernetes'."""

from __future__ import annotations

import copy
import json
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from module.templates.rendering import (
    FOREIGN,
    HELMS,
    ROOT,
    Case,
    Chart,
    Manifest,
    RenderError,
    containers,
    find,
    helm,
    parse,
    pod_spec,
    render_text,
    values,
    workloads,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

OLDEST, NEWEST = "1.31", "1.37"


def test_the_schemas_are_of_the_oldest_and_the_newest_version() -> None:
    """The oldest that the module admits; the newest that anybody has published."""
    module = yaml.safe_load((ROOT / "module.yaml").read_text())
    assert module["requirements"]["kubernetes"] == f">= {OLDEST}"
    assert kubernetes_validate.latest_version().startswith(f"{NEWEST}.")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_fits_the_schema(rendered: list[Manifest], version: str) -> None:
    ours = [item for item in rendered if item["kind"] not in FOREIGN]
    assert len(ours) >= 15
    for item in ours:
        _validate(json.dumps(item, sort_keys=True), version)


@cache
def _validate(text: str, version: str) -> None:
    """Validate an object; most are the same in all combinations, and are judged once."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


def test_a_wrong_object_would_not_fit_the_schema(chart: Chart) -> None:
    broken = copy.deepcopy(find(chart.render(Case()), "Deployment", "controller"))
    broken["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_speakers_run_only_where_there_is_something_to_announce(
    rendered: list[Manifest], case: Case
) -> None:
    names = {item["metadata"]["name"] for item in workloads(rendered)}
    assert names == ({"controller", "speaker"} if case.l2 or case.bgp else {"controller"})


def test_optional_kinds_are_rendered_only_where_they_exist(
    rendered: list[Manifest], case: Case
) -> None:
    kinds = {item["kind"] for item in rendered}
    speakers = case.l2 or case.bgp
    assert ("VerticalPodAutoscaler" in kinds) == case.vpa
    assert ("PodMonitor" in kinds) == case.prometheus
    assert ("SecurityPolicyException" in kinds) == (case.policy_engine and speakers)
    assert ("NetworkPolicy" in kinds) == case.network_policy


def test_every_namespaced_object_says_its_namespace(rendered: list[Manifest]) -> None:
    cluster = {"Namespace", "ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration",
               "GrafanaDashboardDefinition"}  # fmt: skip
    for item in rendered:
        has_namespace = "namespace" in item["metadata"]
        assert has_namespace == (item["kind"] not in cluster), item["metadata"]["name"]


def test_rendering_twice_gives_the_same(chart: Chart, tmp_path: Path) -> None:
    given = values(Case(bgp=True))
    assert render_text(chart.path, given, tmp_path) == render_text(chart.path, given, tmp_path)


def test_the_next_version_of_helm_renders_the_same(
    chart: Chart, case: Case, tmp_path: Path
) -> None:
    found = parse(render_text(chart.path, values(case), tmp_path, binary=HELMS[1]))
    assert _sorted(found) == _sorted(chart.render(case))


def _sorted(manifests: list[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda item: (item["kind"], item["metadata"]["name"]))


def test_the_tree_itself_is_the_chart(chart: Chart, tmp_path: Path) -> None:
    """Workspace and chart are one directory; .helmignore keeps them apart."""
    given = values(Case())
    assert parse(render_text(ROOT, given, tmp_path)) == chart.render(Case())


@pytest.mark.parametrize("binary", HELMS)
def test_lint_has_nothing_to_say(chart: Chart, case: Case, binary: str, tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values(case)))
    said = helm("lint", "--strict", str(chart.path), "--values", str(file), binary=binary)
    assert "0 chart(s) failed" in said
    assert "WARNING" not in said


@pytest.mark.parametrize("binary", HELMS)
def test_lint_would_have_something_to_say(chart: Chart, binary: str, tmp_path: Path) -> None:
    broken = tmp_path / "chart"
    shutil.copytree(chart.path, broken)
    (broken / "templates/broken.yaml").write_text("a: b: c\n")
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values(Case())))
    with pytest.raises(RenderError, match="1 chart"):
        helm("lint", "--strict", str(broken), "--values", str(file), binary=binary)


def test_a_missing_digest_is_an_error_that_names_the_image(chart: Chart, tmp_path: Path) -> None:
    given = values(Case())
    del given["global"]["modulesImages"]["digests"]["metallb"]["speaker"]
    with pytest.raises(RenderError, match=r"Image metallb\.speaker has no digest"):
        render_text(chart.path, given, tmp_path)


# ---------------------------------------------------------------- settings


def _arguments(manifests: list[Manifest], kind: str, name: str) -> list[str]:
    arguments: list[str] = pod_spec(find(manifests, kind, name))["containers"][0]["args"]
    return arguments


@pytest.mark.parametrize("level", ["Debug", "Info", "Warning", "Error"])
def test_the_log_level_reaches_both(chart: Chart, level: str) -> None:
    found = chart.render_with(Case(), logLevel=level)
    for kind, name in (("Deployment", "controller"), ("DaemonSet", "speaker")):
        assert f"--log-level={level.lower()}" in _arguments(found, kind, name)


def test_liveness_reaches_the_speaker(chart: Chart) -> None:
    l2 = {"livenessIntervalMilliseconds": 120, "livenessMultiplier": 5, "holdDownSeconds": 0}
    arguments = _arguments(chart.render_with(Case(), l2=l2), "DaemonSet", "speaker")
    assert "--heartbeat-milliseconds=120" in arguments
    assert "--heartbeat-multiplier=5" in arguments
    assert "--hold-down-seconds=0" in arguments


def test_an_ipam_reaches_the_controller_with_its_secret(chart: Chart) -> None:
    netbox = {"url": "https://netbox.example.com", "tag": "k8s", "vrfID": 3, "secretName": "box"}
    for own in (False, True):
        case = Case(own_certificate=own)
        found = chart.render_with(case, ipam={"netbox": netbox, "readIntervalSeconds": 30})
        arguments = _arguments(found, "Deployment", "controller")
        assert {item for item in arguments if item.startswith("--ipam")} == {
            "--ipam-netbox-url=https://netbox.example.com", "--ipam-netbox-tag=k8s",
            "--ipam-netbox-vrf-id=3", "--ipam-secret-dir=/etc/metallb/ipam",
            "--ipam-interval-seconds=30",
        }  # fmt: skip
        spec = pod_spec(find(found, "Deployment", "controller"))
        volumes = {item["name"]: item for item in spec["volumes"]}
        assert volumes["ipam"]["secret"] == {"secretName": "box", "optional": True}
    plain = chart.render_with(Case())
    assert "--ipam" not in str(_arguments(plain, "Deployment", "controller"))
    assert "'ipam'" not in str(find(plain, "Deployment", "controller"))


def test_defaults_of_bgp_reach_the_speaker(chart: Chart) -> None:
    bfd = {"receiveIntervalMilliseconds": 50, "transmitIntervalMilliseconds": 60,
           "detectMultiplier": 4}  # fmt: skip
    bgp = {"listenPort": 1790, "holdTimeSeconds": 0, "connectTimeSeconds": 7, "drainSeconds": 0,
           "kubeProxyWaitSeconds": 9, "bmpCollector": "[fd00::7]:1790", "bfd": bfd}  # fmt: skip
    arguments = _arguments(chart.render_with(Case(), bgp=bgp), "DaemonSet", "speaker")
    assert {item for item in arguments if item.startswith(("--bgp", "--bfd", "--bmp"))} == {
        "--bgp-listen-port=1790", "--bgp-hold-seconds=0", "--bgp-connect-seconds=7",
        "--bgp-drain-seconds=0", "--bgp-kube-proxy-wait-seconds=9",
        "--bmp-collector=[fd00::7]:1790",
        "--bfd-receive-milliseconds=50", "--bfd-transmit-milliseconds=60", "--bfd-multiplier=4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("port", "is_privileged"), [(0, False), (1, True), (179, True), (1023, True), (1024, False)]
)
def test_a_port_for_peers_takes_a_capability_where_the_kernel_asks_for_one(
    chart: Chart, port: int, is_privileged: bool
) -> None:
    found = chart.render_with(Case(policy_engine=True), bgp={"listenPort": port})
    workload = find(found, "DaemonSet", "speaker")
    [speaker] = [item for _, item in containers([workload]) if item["name"] == "speaker"]
    added = speaker["securityContext"]["capabilities"]["add"]
    assert ("NET_BIND_SERVICE" in added) is is_privileged
    opened = [item["containerPort"] for item in speaker["ports"] if item["protocol"] == "TCP"]
    assert opened == ([port] if port else [])
    allowed = find(found, "SecurityPolicyException", "speaker")["spec"]
    assert allowed["securityContext"]["capabilities"]["allowedValues"]["add"] == added
    ports = [item["port"] for item in allowed["network"]["hostPorts"]]
    assert ports == [4225, 4226, *([port] if port else [])]


def test_names_of_interfaces_become_a_pattern(chart: Chart) -> None:
    arguments = _arguments(chart.render(Case()), "DaemonSet", "speaker")
    assert r"--exclude-interfaces=^(lo|docker.*|br0\.1)$" in arguments


def test_a_priority_of_none_is_not_taken_for_a_missing_one(chart: Chart) -> None:
    found = chart.render_with(Case(), speaker={"realtimePriority": 0})
    assert "--realtime-priority=0" in _arguments(found, "DaemonSet", "speaker")


def test_the_speakers_tolerate_what_the_settings_add(chart: Chart) -> None:
    extra = {"key": "dedicated.example.com", "operator": "Exists"}
    found = chart.render_with(Case(), speaker={"tolerations": [extra]})
    assert extra in pod_spec(find(found, "DaemonSet", "speaker"))["tolerations"]


def test_placement_of_the_controller_by_settings_wins(chart: Chart) -> None:
    toleration = {"key": "a", "operator": "Exists"}
    found = chart.render_with(Case(), nodeSelector={"role": "lb"}, tolerations=[toleration])
    spec = pod_spec(find(found, "Deployment", "controller"))
    assert spec["nodeSelector"] == {"role": "lb"}
    assert spec["tolerations"] == [toleration]


def test_the_settings_of_availability_win_over_the_platforms(chart: Chart) -> None:
    single = chart.render_with(Case(ha=True), highAvailability=False)
    double = chart.render_with(Case(ha=False), highAvailability=True)
    assert find(single, "Deployment", "controller")["spec"]["replicas"] == 1
    assert find(single, "PodDisruptionBudget", "controller")["spec"]["minAvailable"] == 0
    assert find(double, "Deployment", "controller")["spec"]["replicas"] == 2
    assert find(double, "PodDisruptionBudget", "controller")["spec"]["minAvailable"] == 1


def test_requests_are_ours_without_an_autoscaler(chart: Chart) -> None:
    wanted = {"resourcesRequests": {"cpu": "70m", "memory": "99Mi"}}
    for vpa, expected in ((True, {}), (False, {"cpu": "70m", "memory": "99Mi"})):
        found = chart.render_with(Case(vpa=vpa), controller=wanted, speaker=wanted)
        for workload, container in containers(found):
            if container["name"] == workload:
                requests = dict(container["resources"]["requests"])
                assert requests.pop("ephemeral-storage") == "50Mi"
                assert requests == expected


def test_speakers_run_where_the_terms_say(chart: Chart) -> None:
    def terms(case: Case) -> Any:
        spec = pod_spec(find(chart.render(case), "DaemonSet", "speaker"))
        affinity = spec.get("affinity")
        return affinity and affinity["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]  # fmt: skip

    member = {"key": "l2-load-balancer.network.deckhouse.io/member", "operator": "Exists"}
    assert terms(Case(l2=True)) == [{"matchExpressions": [member]}]
    assert terms(Case(l2=False, bgp=True)) is None


def test_pods_roll_when_the_authority_of_the_webhook_changes(chart: Chart, tmp_path: Path) -> None:
    def annotation(authority: str) -> str:
        given = values(Case())
        given["metallb"]["internal"]["webhookCert"]["ca"] = authority
        found = find(parse(render_text(chart.path, given, tmp_path)), "Deployment", "controller")
        text: str = found["spec"]["template"]["metadata"]["annotations"]["checksum/webhook-ca"]
        return text

    assert annotation("one") != annotation("two")


def test_the_webhook_trusts_the_authority_that_the_hook_made(chart: Chart) -> None:
    found = find(chart.render(Case()), "ValidatingWebhookConfiguration", "metallb")
    [webhook] = found["webhooks"]
    assert webhook["clientConfig"]["caBundle"] == "Q0EK"
    secret = find(chart.render(Case()), "Secret", "metallb-webhook-tls")
    assert secret["data"] == {"ca.crt": "Q0EK", "tls.crt": "Q1JUCg==", "tls.key": "S0VZCg=="}


def test_without_a_certificate_the_controller_makes_it(chart: Chart) -> None:
    """Plain Kubernetes: no hook has made one, and what the controller enters later stays."""
    manifests = chart.render(Case(own_certificate=True))
    assert not [item for item in manifests if item["kind"] == "Secret"
                and item["metadata"]["name"] == "metallb-webhook-tls"]  # fmt: skip
    [webhook] = find(manifests, "ValidatingWebhookConfiguration", "metallb")["webhooks"]
    assert "caBundle" not in webhook["clientConfig"]
    pod = pod_spec(find(manifests, "Deployment", "controller"))
    assert "webhook-tls" not in [volume["name"] for volume in pod.get("volumes") or []]
    arguments = _arguments(manifests, "Deployment", "controller")
    assert "--manage-webhook-certificate" in arguments
    assert not [item for item in arguments if "cert-dir" in item]
    with_hook = _arguments(chart.render(Case()), "Deployment", "controller")
    assert "--manage-webhook-certificate" not in with_hook


def test_the_webhook_is_asked_about_our_kinds_only_and_its_failure_stops_nobody(
    chart: Chart,
) -> None:
    """Ten kinds, deletions too; never a Service."""
    [webhook] = find(chart.render(Case()), "ValidatingWebhookConfiguration", "metallb")["webhooks"]
    assert webhook["failurePolicy"] == "Ignore"
    rules = webhook["rules"]
    assert {group for rule in rules for group in rule["apiGroups"]} == {
        "network.deckhouse.io", "metallb.io",
    }  # fmt: skip
    assert len({name for rule in rules for name in rule["resources"]}) == 10
    assert all(rule["operations"] == ["CREATE", "UPDATE", "DELETE"] for rule in rules)


def test_a_network_policy_lets_in_what_the_pods_serve_and_nothing_else(chart: Chart) -> None:
    manifests = chart.render(Case(network_policy=True))
    [policy] = [item for item in manifests if item["kind"] == "NetworkPolicy"]
    controller = find(manifests, "Deployment", "controller")
    pod = controller["spec"]["template"]
    assert policy["metadata"]["namespace"] == controller["metadata"]["namespace"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    served = {port["name"] for item in pod["spec"]["containers"] for port in item["ports"]}
    let_in = {
        port["port"]: [peer["namespaceSelector"]["matchLabels"] for peer in rule.get("from", [])]
        for rule in policy["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert let_in.keys() == served
    monitoring = {"kubernetes.io/metadata.name": "d8-monitoring"}
    assert let_in == {"webhook": [], "https-metrics": [monitoring]}


@pytest.mark.parametrize(
    ("is_upstream", "role"), [(False, "d8:rbac-proxy"), (True, "system:auth-delegator")]
)
def test_the_proxy_has_a_role_that_is_there(chart: Chart, is_upstream: bool, role: str) -> None:
    """The platform has a role for it; plain Kubernetes has one of its own."""
    manifests = chart.render(Case(upstream_proxy=is_upstream))
    for name in ("controller", "speaker"):
        binding = find(manifests, "ClusterRoleBinding", f"d8:metallb:{name}:rbac-proxy")
        assert binding["roleRef"]["name"] == role
