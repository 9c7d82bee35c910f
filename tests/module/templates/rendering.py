"""The chart rendered by the real Helm, with the values that the platform would give it."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from metallb_lab import tools

ROOT = Path(__file__).parents[3]
NAMESPACE = "d8-metallb"
HELMS = ("helm", "helm4")
"""The version that the platform has, and the next."""
FOREIGN = {
    "VerticalPodAutoscaler": "autoscaling.k8s.io/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "GrafanaDashboardDefinition": "deckhouse.io/v1",
    "SecurityPolicyException": "deckhouse.io/v1alpha1",
}
"""Kinds of CRDs that are neither Kubernetes' own nor the module's."""
PARTS = ("Chart.yaml", ".helmignore", "charts", "templates", "monitoring")

CERTIFICATE = {"ca": "CA\n", "crt": "CRT\n", "key": "KEY\n"}

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What of the platform is there, and what the module is to do."""

    ha: bool = True
    vpa: bool = True
    prometheus: bool = True
    policy_engine: bool = True
    cert_manager: bool = True
    l2: bool = True
    bgp: bool = False
    upstream_proxy: bool = False
    network_policy: bool = False
    own_certificate: bool = False

    def __str__(self) -> str:
        named = [item.name for item in fields(self) if getattr(self, item.name)]
        return "+".join(named) or "bare"


def values(case: Case) -> dict[str, Any]:
    """Give the values that addon-operator hands to Helm: settings, their defaults, the platform."""
    enabled: list[str] = []
    for is_on, names in (
        (case.vpa, ("vertical-pod-autoscaler", "vertical-pod-autoscaler-crd")),
        (case.prometheus, ("operator-prometheus", "operator-prometheus-crd", "prometheus",
                           "prometheus-crd")),
        (case.policy_engine, ("admission-policy-engine",)),
        (case.cert_manager, ("cert-manager",)),
    ):  # fmt: skip
        enabled += names if is_on else ()
    return {"global": _global(case, enabled), "metallb": _module(case)}


def _global(case: Case, enabled: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {
        "enabledModules": enabled,
        "clusterIsBootstrapped": True,
        "highAvailability": case.ha,
        "clusterConfiguration": {
            "clusterDomain": "cluster.local", "clusterType": "Static", "kubernetesVersion": "1.35",
            "podSubnetCIDR": "10.244.0.0/16", "serviceSubnetCIDR": "10.96.0.0/12",
            "podSubnetNodeCIDRPrefix": "24", "proxy": {},
        },
        "discovery": {
            "clusterMasterCount": 3, "clusterControlPlaneIsHighlyAvailable": case.ha,
            "clusterDomain": "cluster.local", "kubernetesVersion": "1.35.4",
            "prometheusScrapeInterval": 30, "apiVersions": [],
            "d8SpecificNodeCountByRole": {"system": 1},
        },
        "modules": {"publicDomainTemplate": "%s.example.com", "placement": {}},
        "internal": {"modules": {"kubeRBACProxyCA": {"cert": "Q0E=", "key": "S0VZ"}}},
        "modulesImages": {
            "registry": {"base": "registry.example.com/deckhouse", "dockercfg": "e30="},
            "digests": {
                "common": {"kubeRbacProxy": "sha256:" + "a" * 64},
                "metallb": {"controller": "sha256:" + "b" * 64, "speaker": "sha256:" + "c" * 64},
            },
        },
    }  # fmt: skip
    if case.upstream_proxy:
        given["kubeRbacProxyBuild"] = "Upstream"
    return given


def _module(case: Case) -> dict[str, Any]:
    member = {"key": "l2-load-balancer.network.deckhouse.io/member", "operator": "Exists"}
    return {
        "logLevel": "Info",
        "networkPolicy": case.network_policy,
        "l2": {
            "livenessIntervalMilliseconds": 50, "livenessMultiplier": 3, "holdDownSeconds": 2,
            "excludedInterfaces": ["lo", "docker*", "br0.1"],
            "rebalancing": {"policy": "Automatic", "delaySeconds": 10, "movesPerMinute": 60},
        },
        "controller": {"resourcesRequests": {"cpu": "50m", "memory": "128Mi"}},
        "speaker": {"realtimePriority": 10,
                    "resourcesRequests": {"cpu": "50m", "memory": "128Mi"}},
        "registry": {"base": "registry.example.com/deckhouse/modules", "dockercfg": "e30="},
        "internal": {
            "l2Enabled": case.l2, "bgpEnabled": case.bgp,
            "speakerNodeSelectorTerms": [{"matchExpressions": [member]}] if case.l2 else [],
            **({} if case.own_certificate else {"webhookCert": CERTIFICATE}),
        },
    }  # fmt: skip


class RenderError(Exception):
    """Helm refused; the text is what it said."""


def helm(*arguments: str, binary: str = HELMS[0]) -> str:
    """Run the real Helm; raises RenderError."""
    command = [str(tools.find(binary)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RenderError(done.stderr + done.stdout)
    return done.stdout


def copy_chart(to: Path) -> Path:
    """Copy what belongs to the chart, and nothing of the workspace."""
    to.mkdir(parents=True)
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name)
        elif source.exists():
            shutil.copy(source, to / name)
    return to


def render_text(
    chart: Path, given: dict[str, Any], work: Path, *more: str, binary: str = HELMS[0]
) -> str:
    """Render a chart; gives the text."""
    file = work / "values.json"
    file.write_text(json.dumps(given))
    return helm("template", "metallb", str(chart), "--namespace", "d8-system",
                "--values", str(file), *more, binary=binary)  # fmt: skip


def parse(text: str) -> list[Manifest]:
    """Read manifests."""
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


class Chart:
    """A copy of the chart, and what came out of it for each case."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.path = copy_chart(work / "chart")
        self.render = cache(self._render)

    def _render(self, case: Case) -> list[Manifest]:
        return parse(render_text(self.path, values(case), self.work))

    def render_with(self, case: Case, **settings: Any) -> list[Manifest]:
        """Render with settings of the module changed."""
        given = copy.deepcopy(values(case))
        given["metallb"].update(settings)
        return parse(render_text(self.path, given, self.work))


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Find the one manifest of a kind and name."""
    [found] = [
        item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, name)
    ]
    return found


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    """Give what makes pods."""
    return [item for item in manifests if item["kind"] in ("Deployment", "DaemonSet")]


def pod_spec(workload: Manifest) -> Manifest:
    """Give the spec of a workload's pods."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def containers(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    """Give all containers with the names of their workloads."""
    return [
        (item["metadata"]["name"], container)
        for item in workloads(manifests)
        for container in pod_spec(item)["containers"]
    ]
