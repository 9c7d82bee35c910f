"""A lab watched as the platform watches it: proxies before the metrics, and a real Prometheus.

The proxies are the real kube-rbac-proxy with the arguments and the file that the chart renders, in
the namespaces of the hosts; who may read is decided by the real API server from the chart's own
roles. What is not ours (the role of proxies, Prometheus' account) is made here as the platform has
it. Prometheus reaches the proxies by relays, since the lab's network is none of the machine's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import yaml

from metallb_lab import tools
from metallb_lab.processes import Process
from metallb_lab.realserver import free_port, kubeconfig
from metallb_lab.relay import Relay
from module.monitoring.rules import RULES, read_groups
from module.templates.rendering import NAMESPACE, Case, Chart, Manifest, containers, find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metallb_lab.cluster import Cluster
    from metallb_lab.topology import Host

PLATFORM = "d8-monitoring"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SCRAPE_SECONDS = 1
READY_SECONDS = 60.0
WINDOWS = {"$__rate_interval": "20s", "$__range": "5m"}
"""What Grafana puts in, for a Prometheus that scrapes so often."""

PORTS = {"controller": (7475, 7472), "speaker": (4226, 7474)}
"""Ports of the proxy and of the program behind it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One proxy, and where Prometheus finds it."""

    job: str
    host: Host
    relay: Relay

    @property
    def address(self) -> str:
        """Address for Prometheus."""
        return f"127.0.0.1:{self.relay.port}"

    def labels(self) -> dict[str, str]:
        """Give what Prometheus finds of a pod before it relabels."""
        return {
            "__meta_kubernetes_namespace": NAMESPACE,
            "__meta_kubernetes_pod_name": f"{self.job}-{self.host.name}",
            "__meta_kubernetes_pod_node_name": self.host.name,
            "__meta_kubernetes_pod_container_name": "kube-rbac-proxy",
            "__meta_kubernetes_pod_container_port_name": "https-metrics",
            "__meta_kubernetes_pod_label_app": self.job,
            "__meta_kubernetes_pod_phase": "Running",
            "__meta_kubernetes_pod_ready": "false",
        }


class Observatory:
    """What watches a cluster; use as an async context manager."""

    def __init__(self, cluster: Cluster, work: Path) -> None:
        self.cluster = cluster
        self.targets: list[Target] = []
        self._work = work
        self._chart = Chart(work / "chart")
        self._rendered = self._chart.render(Case(upstream_proxy=True))
        self._stack = contextlib.AsyncExitStack()
        self._url = ""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(aiohttp.ClientSession())
            await self._grant()
            for job, hosts in self._hosts().items():
                for host in hosts:
                    await self._start_proxy(stack, job, host)
            await self._start_prometheus(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _hosts(self) -> dict[str, list[Host]]:
        topology = self.cluster.topology
        controllers = [topology.hosts[name] for name in self.cluster.controllers]
        return {"controller": controllers, "speaker": topology.nodes}

    # -- rights ------------------------------------------------------------------------------------

    async def _grant(self) -> None:
        await self._create("/api/v1/namespaces", _object("v1", "Namespace", PLATFORM))
        accounts = f"/api/v1/namespaces/{PLATFORM}/serviceaccounts"
        for name in ("prometheus", "stranger"):
            await self._create(accounts, _object("v1", "ServiceAccount", name))
        rules = [
            {"apiGroups": [group], "resources": [resource], "verbs": ["create"]}
            for group, resource in (
                ("authentication.k8s.io", "tokenreviews"),
                ("authorization.k8s.io", "subjectaccessreviews"),
            )
        ]
        role = _object("rbac.authorization.k8s.io/v1", "ClusterRole", "d8:rbac-proxy", rules=rules)
        await self._create(f"{RBAC}/clusterroles", role)
        for item in self._rendered:
            if path := _path_of(item):
                await self._create(path, item)

    async def _create(self, path: str, body: Manifest) -> None:
        await self.cluster.client.request("POST", path, body=body)

    async def token(self, namespace: str, account: str) -> str:
        """Have the API server make a token of a ServiceAccount."""
        body = _object("authentication.k8s.io/v1", "TokenRequest", "", spec={})
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        made = await self.cluster.client.request("POST", path, body=body)
        return str(made["status"]["token"])

    # -- proxies -----------------------------------------------------------------------------------

    async def _start_proxy(self, stack: contextlib.AsyncExitStack, job: str, host: Host) -> None:
        plane = self.cluster.plane
        ca = base64.b64encode(plane.ca_file.read_bytes()).decode()
        config = self._work / f"proxy-{job}.kubeconfig"
        config.write_text(kubeconfig(plane.url, await self.token(NAMESPACE, job), ca))
        file = self._work / f"proxy-{job}.yaml"
        given = find(self._rendered, "ConfigMap", f"kube-rbac-proxy-{job}")
        file.write_text(given["data"]["config.yaml"])
        arguments = [
            item.replace("$(KUBE_RBAC_PROXY_LISTEN_ADDRESS)", host.ipv4)
            .replace("/etc/kube-rbac-proxy/config.yaml", str(file))
            for item in self._arguments(job)
        ]  # fmt: skip
        process = Process(
            self.cluster.instance,
            f"kube-rbac-proxy-{host.name}",
            [str(tools.find("kube-rbac-proxy")), f"--kubeconfig={config}", *arguments],
            namespace=host.namespace,
        )
        await process.start()
        stack.push_async_callback(process.kill)
        relay = Relay(host.namespace, host.ipv4, PORTS[job][0])
        await relay.start()
        stack.push_async_callback(relay.stop)
        self.targets.append(Target(job, host, relay))

    def _arguments(self, job: str) -> list[str]:
        [found] = [
            item["args"]
            for workload, item in containers(self._rendered)
            if (workload, item["name"]) == (job, "kube-rbac-proxy")
        ]
        return list(found)

    async def scrape(self, target: Target, token: str, path: str = "/metrics") -> tuple[int, str]:
        """Ask a proxy as Prometheus does; gives the code and the text."""
        insecure = ssl.create_default_context()
        insecure.check_hostname = False
        insecure.verify_mode = ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://{target.address}{path}"
        async with self._http.get(url, ssl=insecure, headers=headers) as answer:
            return answer.status, await answer.text()

    # -- Prometheus --------------------------------------------------------------------------------

    async def _start_prometheus(self, stack: contextlib.AsyncExitStack) -> None:
        port = await free_port("127.0.0.1")
        config = self._work / "prometheus.yaml"
        config.write_text(yaml.safe_dump(await self._configuration()))
        process = Process(
            self.cluster.instance,
            "prometheus",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={self._work / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        await process.start()
        stack.push_async_callback(process.kill)
        self._url = f"http://127.0.0.1:{port}"
        await until(self._is_ready, READY_SECONDS, "Prometheus is ready")

    async def _configuration(self) -> Manifest:
        groups = [group for path in sorted(RULES.glob("*.yaml")) for group in read_groups(path)]
        rules = self._work / "rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": groups}))
        token = self._work / "token"
        token.touch(mode=0o600)
        token.write_text(await self.token(PLATFORM, "prometheus"))
        often = f"{SCRAPE_SECONDS}s"
        return {
            "global": {"scrape_interval": often, "scrape_timeout": often,
                       "evaluation_interval": often},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    **scrape_config(find(self._rendered, "PodMonitor", f"metallb-{job}")),
                    "authorization": {"credentials_file": str(token)},
                    "static_configs": [
                        {"targets": [target.address], "labels": target.labels()}
                        for target in self.targets
                    ],
                }
                for job in PORTS
            ],
        }  # fmt: skip

    async def _is_ready(self) -> bool:
        try:
            async with self._http.get(f"{self._url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ask(self, path: str, **parameters: str) -> Any:
        """Ask Prometheus' API; gives the data of its answer."""
        url = f"{self._url}/api/v1/{path}"
        async with self._http.get(url, params=parameters) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return body["data"]

    async def values(self, expression: str, **variables: str) -> list[float]:
        """Give what a panel would show now: the values that are numbers."""
        for name, value in {**WINDOWS, **{f"${k}": v for k, v in variables.items()}}.items():
            expression = expression.replace(name, value)
        found = await self.ask("query", query=expression)
        values = [float(item["value"][1]) for item in found["result"]]
        return [value for value in values if value == value]

    async def health(self) -> dict[str, str]:
        """Give how each target is."""
        found = await self.ask("targets", state="active")
        return {item["labels"]["pod"]: item["health"] for item in found["activeTargets"]}

    async def alerts(self) -> dict[str, Any]:
        """Give all alerting rules, by name."""
        found = await self.ask("rules", type="alert")
        return {rule["name"]: rule for group in found["groups"] for rule in group["rules"]}


async def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until a coroutine gives something true."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


def scrape_config(monitor: Manifest) -> Manifest:
    """Make of a PodMonitor what prometheus-operator does, as far as the chart's say."""
    spec = monitor["spec"]
    [endpoint] = spec["podMetricsEndpoints"]
    pod = "__meta_kubernetes_pod_"
    relabelings: list[Manifest] = [
        {"action": "keep", "sourceLabels": [f"{pod}label_{name}"], "regex": value}
        for name, value in spec["selector"]["matchLabels"].items()
    ]
    relabelings += [
        {"action": "keep", "sourceLabels": ["__meta_kubernetes_namespace"],
         "regex": "|".join(spec["namespaceSelector"]["matchNames"])},
        {"action": "keep", "sourceLabels": [f"{pod}container_port_name"],
         "regex": endpoint["port"]},
        {"sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
        {"sourceLabels": [f"{pod}container_name"], "targetLabel": "container"},
        {"sourceLabels": [f"{pod}name"], "targetLabel": "pod"},
        {"sourceLabels": [f"{pod}label_{spec['jobLabel']}"], "regex": "(.+)",
         "targetLabel": "job"},
        {"targetLabel": "endpoint", "replacement": endpoint["port"]},
        *endpoint["relabelings"],
    ]  # fmt: skip
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return {
        "job_name": f"podMonitor/{monitor['metadata']['namespace']}/{monitor['metadata']['name']}",
        "scheme": endpoint["scheme"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "tls_config": {"insecure_skip_verify": endpoint["tlsConfig"]["insecureSkipVerify"]},
        "relabel_configs": [
            {names.get(key, key): value for key, value in item.items()} for item in relabelings
        ],
    }


def _object(version: str, kind: str, name: str, **rest: Any) -> Manifest:
    metadata = {"name": name} if name else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _path_of(item: Manifest) -> str:
    """Give where an object of the chart is created; empty for those that the lab does not need."""
    kind, namespace = item["kind"], item["metadata"].get("namespace", "")
    if kind in ("ClusterRole", "ClusterRoleBinding"):
        return f"{RBAC}/{kind.lower()}s"
    if kind in ("Role", "RoleBinding"):
        return f"{RBAC}/namespaces/{namespace}/{kind.lower()}s"
    if kind == "ServiceAccount":
        return f"/api/v1/namespaces/{namespace}/serviceaccounts"
    return ""
