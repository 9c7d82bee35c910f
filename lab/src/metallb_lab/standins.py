"""Stand-ins for the parts of Kubernetes that a lab with the embedded API server has not.

`EndpointSlices` does what the EndpointSlice controller does: for each Service with a selector one
slice a family, of the pods that match. `NodeRules` does what kube-proxy does on one node, with
nftables: it sends what comes for a LoadBalancer address or a ClusterIP to one of the endpoints,
by chance; with `externalTrafficPolicy: Local` to one on this node, the client's address kept, or
drops it; and it serves the health checks of Services with this policy. `Namespaces` does what the
namespace controller does: it deletes what is in a namespace that is to go, and then lets it go.
"""

from __future__ import annotations

import asyncio
import logging
import random
from socket import AF_INET, AF_INET6
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError
from metallb.kube.reflector import Reflector
from metallb_lab import netns
from metallb_lab.healthchecks import HealthChecks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.reflector import Key
    from metallb_lab.healthchecks import Place
    from metallb_lab.topology import Topology

SERVICES = Resource("", "v1", "services")
PODS = Resource("", "v1", "pods")
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
EMPTYING_SECONDS = 0.2
"""How often a namespace is looked at whose objects have finalizers of their own."""
SERVICE_LABEL = "kubernetes.io/service-name"

log = logging.getLogger(__name__)


def _as_is(value: JsonObject) -> JsonObject:
    return value


class EndpointSlices:
    """Makes EndpointSlices of Services and Pods."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._changed = asyncio.Event()
        self._services = self._mirror(SERVICES)
        self._pods = self._mirror(PODS)
        self._slices = self._mirror(SLICES)

    def _mirror(self, resource: Resource) -> Reflector[JsonObject]:
        return Reflector(self._client, resource, _as_is, self._on_change, chance=random.random)

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for mirror in (self._services, self._pods, self._slices):
                group.create_task(mirror.run())
            for mirror in (self._services, self._pods, self._slices):
                await mirror.synced.wait()
            while True:
                self._changed.clear()
                await self._sync()
                await self._changed.wait()

    async def _sync(self) -> None:
        wanted = {key: item for service in self._services for key, item in self._wanted(service)}
        present = {
            (item["metadata"]["namespace"], item["metadata"]["name"]): item
            for item in self._slices
            if item["metadata"].get("labels", {}).get("endpointslice.kubernetes.io/managed-by")
            == "lab"
        }
        for key in present.keys() - wanted.keys():
            await self._try(self._client.delete(SLICES, key[1], key[0]))
        for key, item in wanted.items():
            found = present.get(key)
            if found is None:
                await self._try(self._client.create(SLICES, item, key[0]))
            elif (found["endpoints"], found["ports"]) != (item["endpoints"], item["ports"]):
                body = {"endpoints": item["endpoints"], "ports": item["ports"]}
                await self._try(self._client.patch(SLICES, key[1], body, namespace=key[0]))

    @staticmethod
    async def _try(request: Any) -> None:
        try:
            await request
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.info("slice: %s", error)

    def _wanted(self, service: JsonObject) -> Iterable[tuple[Key, JsonObject]]:
        selector = service["spec"].get("selector")
        if not selector:
            return
        meta = service["metadata"]
        for family in service["spec"].get("ipFamilies") or ["IPv4"]:
            name = f"{meta['name']}-{family.lower()}"
            yield (
                (meta["namespace"], name),
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": name,
                        "namespace": meta["namespace"],
                        "labels": {
                            SERVICE_LABEL: meta["name"],
                            "endpointslice.kubernetes.io/managed-by": "lab",
                        },
                    },
                    "addressType": family,
                    "endpoints": self._endpoints(meta["namespace"], selector, family),
                    "ports": [
                        {
                            "name": port.get("name", ""),
                            "port": port.get("targetPort", port["port"]),
                            "protocol": port.get("protocol", "TCP"),
                        }
                        for port in service["spec"].get("ports", [])
                    ],
                },
            )

    def _endpoints(
        self, namespace: str, selector: Mapping[str, str], family: str
    ) -> list[JsonObject]:
        found = []
        for pod in self._pods:
            labels = pod["metadata"].get("labels") or {}
            status = pod.get("status") or {}
            if pod["metadata"]["namespace"] != namespace or not selector.items() <= labels.items():
                continue
            addresses = [item["ip"] for item in status.get("podIPs") or []]
            fitting = [item for item in addresses if (":" in item) == (family == "IPv6")]
            ready = any(
                item["type"] == "Ready" and item["status"] == "True"
                for item in status.get("conditions") or []
            )
            if fitting:
                found.append(
                    {
                        "addresses": fitting[:1],
                        "conditions": {"ready": ready, "serving": ready, "terminating": False},
                        "nodeName": pod["spec"].get("nodeName"),
                        "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
                    }
                )
        return sorted(found, key=lambda item: str(item["addresses"]))


class Namespaces:
    """Empties the namespaces that are being deleted."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._changed = asyncio.Event()
        self._mirror: Reflector[JsonObject] = Reflector(
            client, NAMESPACES, _as_is, self._on_change, chance=random.random
        )

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mirror.run())
            while True:
                await self._changed.wait()
                self._changed.clear()
                for item in self._mirror:
                    if "deletionTimestamp" in item["metadata"]:
                        await self._try_to_end(item)

    async def _try_to_end(self, namespace: JsonObject) -> None:
        name = namespace["metadata"]["name"]
        try:
            if await self._is_emptied(name):
                ended = {**namespace, "spec": {"finalizers": []}}
                await self._client.request("PUT", NAMESPACES.path("", name, "finalize"), body=ended)
                return
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.info("namespace %s: %s", name, error)
        asyncio.get_running_loop().call_later(EMPTYING_SECONDS, self._changed.set)

    async def _is_emptied(self, name: str) -> bool:
        """Delete all that can be deleted; tell whether nothing is left."""
        left = 0
        for base in await self._versions():
            for kind in (await self._client.request("GET", base))["resources"]:
                if kind["namespaced"] and "deletecollection" in kind["verbs"]:
                    path = f"{base}/namespaces/{name}/{kind['name']}"
                    await self._client.request("DELETE", path)
                    left += len((await self._client.request("GET", path))["items"])
        return not left

    async def _versions(self) -> list[str]:
        groups = (await self._client.request("GET", "/apis"))["groups"]
        return [
            "/api/v1",
            *(f"/apis/{item['preferredVersion']['groupVersion']}" for item in groups),
        ]


class NodeRules:
    """Keeps the nftables rules of all nodes of a lab, and says so at their health check ports."""

    def __init__(self, client: ApiClient, topology: Topology) -> None:
        self._topology = topology
        self._changed = asyncio.Event()
        self._applied: dict[str, str] = {}
        self._checks = HealthChecks()
        self._services: Reflector[JsonObject] = Reflector(
            client, SERVICES, _as_is, self._on_change, chance=random.random
        )
        self._slices: Reflector[JsonObject] = Reflector(
            client, SLICES, _as_is, self._on_change, chance=random.random
        )

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run())
            group.create_task(self._slices.run())
            await self._services.synced.wait()
            await self._slices.synced.wait()
            try:
                while True:
                    self._changed.clear()
                    await self._apply_all()
                    await self._changed.wait()
            finally:
                await self._checks.close()

    async def _apply_all(self) -> None:
        for host in self._topology.nodes:
            rules, counts = self._rules(host.name), self._counts(host.name)
            if self._applied.get(host.name) != rules:
                await asyncio.to_thread(_apply, host.namespace, rules)
                self._applied[host.name] = rules
            await self._checks.set(host.namespace, counts)

    def _counts(self, node: str) -> dict[Place, int]:
        """Count the endpoints on a node of each Service that has a health check port."""
        found: dict[Place, int] = {}
        for service in self._services:
            if port := service["spec"].get("healthCheckNodePort"):
                for family, name in ((AF_INET, "IPv4"), (AF_INET6, "IPv6")):
                    local = self._endpoints(service["metadata"], name, {}, node)
                    found[family, port] = len(local)
        return found

    def _rules(self, node: str) -> str:
        lines: list[str] = []
        for service in sorted(self._services, key=lambda item: str(item["metadata"]["uid"])):
            lines += self._service_rules(service, node)
        body = "\n    ".join(lines)
        return f"""table inet lab
delete table inet lab
table inet lab {{
  chain services {{
    {body}
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & 0x4000 == 0x4000 masquerade
  }}
}}
"""

    def _service_rules(self, service: JsonObject, node: str) -> Iterable[str]:
        spec, meta = service["spec"], service["metadata"]
        ingress = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        external = [item["ip"] for item in ingress if "ip" in item]
        internal = [item for item in spec.get("clusterIPs") or [] if item != "None"]
        is_local = spec.get("externalTrafficPolicy") == "Local"
        for address in (*external, *internal):
            only = node if is_local and address in external else None
            for port in spec.get("ports", []):
                family = "IPv6" if ":" in address else "IPv4"
                endpoints = self._endpoints(meta, family, port, only)
                yield _rule(address, port, endpoints, keeps_source=only is not None)

    def _endpoints(
        self, meta: JsonObject, family: str, port: JsonObject, only: str | None
    ) -> list[str]:
        found: list[str] = []
        for item in self._slices:
            labels = item["metadata"].get("labels") or {}
            if item["metadata"]["namespace"] != meta["namespace"] or item["addressType"] != family:
                continue
            if labels.get(SERVICE_LABEL) != meta["name"]:
                continue
            found += [
                f"{endpoint['addresses'][0]} . {port.get('targetPort', 0)}"
                for endpoint in item.get("endpoints") or []
                if endpoint["conditions"].get("ready") and only in (None, endpoint.get("nodeName"))
            ]
        return sorted(found)


def _rule(address: str, port: JsonObject, endpoints: list[str], *, keeps_source: bool) -> str:
    ip = "ip6" if ":" in address else "ip"
    protocol = port.get("protocol", "TCP").lower()
    match = f"{ip} daddr {address} {protocol} dport {port['port']}"
    if not endpoints:
        return f"{match} drop"
    mark = "" if keeps_source else "meta mark set meta mark | 0x4000 "
    choices = ", ".join(f"{index} : {item}" for index, item in enumerate(endpoints))
    number = f"numgen random mod {len(endpoints)}"
    return f"{match} {mark}dnat {ip} to {number} map {{ {choices} }}"


def _apply(namespace: str, rules: str) -> None:
    netns.run("ip", "netns", "exec", namespace, "nft", "-f", "-", text=rules)
