"""The module's own tree under the lab's module operator, on the real API server.

No kubelet: what is asked here is what hooks and the chart make of settings and objects, not
whether pods run.
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml

from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import load_connection
from metallb.kube.errors import ConflictError, NotFoundError
from metallb_lab import tools
from metallb_lab.operator import (
    ModuleConfig,
    ModuleOperator,
    Patience,
    SettingsRefusedError,
)
from metallb_lab.operator.crds import CRDS, ensure_crds
from metallb_lab.operator.settings import MODULE_CONFIGS
from metallb_lab.realserver import RealServer
from module.hooks.deckhouse import OLD_CRD, install_old_release
from support.objects import bound_condition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[3]
OURS = "network.deckhouse.io"
MEMBER = "l2-load-balancer.network.deckhouse.io/member"
BOUND = "network.deckhouse.io/load-balancer-class"
CLASSES = Resource(OURS, "v1alpha1", "metalloadbalancerclasses", is_namespaced=False)
POOLS = Resource(OURS, "v1alpha1", "metalloadbalancerpools", is_namespaced=False)
PEERS = Resource(OURS, "v1alpha1", "metalloadbalancerbgppeers", is_namespaced=False)
CONFIGURATIONS = Resource(OURS, "v1alpha1", "metalloadbalancerconfigurations", is_namespaced=False)
VIPS = Resource(OURS, "v1alpha1", "virtualips", is_namespaced=False)
CHILDREN = Resource("internal.network.deckhouse.io", "v1alpha1", "sdninternall2lbservices")
NODES = Resource("", "v1", "nodes", is_namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
SECRETS = Resource("", "v1", "secrets")
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
DAEMONSETS = Resource("apps", "v1", "daemonsets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    is_namespaced=False,
)
USERS_OBJECTS = (CLASSES, POOLS, PEERS, CONFIGURATIONS, VIPS, NODES, SERVICES, EVENTS)
SECONDS = 60.0


class Cluster:
    """A server, and what tests do with it."""

    def __init__(self, kubeconfig: Path, client: ApiClient) -> None:
        self.kubeconfig = kubeconfig
        self.client = client

    @asynccontextmanager
    async def operator(
        self, settings: dict[str, Any] | None = None, version: int | None = None
    ) -> AsyncIterator[ModuleOperator]:
        """The module, enabled, at rest."""
        config = ModuleConfig(settings=settings, version=version)
        async with ModuleOperator(
            self.kubeconfig, ROOT, config, patience=Patience(0.5, 2.0)
        ) as found:
            await found.converged()
            yield found

    async def make(self, resource: Resource, name: str, namespace: str = "", **more: Any) -> Any:
        kinds = {
            CLASSES: "MetalLoadBalancerClass",
            POOLS: "MetalLoadBalancerPool",
            PEERS: "MetalLoadBalancerBGPPeer",
            CONFIGURATIONS: "MetalLoadBalancerConfiguration",
        }
        group = f"{resource.group}/" if resource.group else ""
        meta = {"name": name, **more.pop("metadata", {})}
        body = {"apiVersion": f"{group}{resource.version}", "metadata": meta, **more}
        if resource in kinds:
            body["kind"] = kinds[resource]
        return await self.client.create(resource, body, namespace)

    async def service(
        self, name: str, *addresses: str, bound: str = "", **spec: Any
    ) -> dict[str, Any]:
        """Make a Service of type LoadBalancer that has addresses already."""
        ports = [{"port": 80, "protocol": "TCP"}]
        await self.make(
            SERVICES, name, "default", spec={"type": "LoadBalancer", "ports": ports, **spec}
        )
        status: dict[str, Any] = {
            "loadBalancer": {"ingress": [{"ip": address} for address in addresses]}
        }
        if bound:
            status["conditions"] = [
                {
                    "type": BOUND,
                    "status": "True",
                    "reason": "LoadBalancerClassBound",
                    "message": bound,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        return await self.client.patch(
            SERVICES, name, {"status": status}, namespace="default", subresource="status"
        )

    async def names(self, resource: Resource, namespace: str = "") -> list[str]:
        pages = self.client.list_pages(resource, namespace)
        return sorted([item["metadata"]["name"] async for page in pages for item in page.items])

    async def members(self) -> list[str]:
        pages = self.client.list_pages(NODES, labelSelector=MEMBER)
        return sorted([item["metadata"]["name"] async for page in pages for item in page.items])

    async def gone(self, resource: Resource, name: str, namespace: str = "") -> None:
        async with asyncio.timeout(SECONDS):
            with suppress(NotFoundError):
                while True:
                    await self.client.get(resource, name, namespace)
                    await asyncio.sleep(0.05)

    async def clear(self) -> None:
        """Take away the module and all that tests made."""
        async with ModuleOperator(
            self.kubeconfig, ROOT, ModuleConfig(enabled=False), patience=Patience(0.5, 2.0)
        ) as operator:
            await operator.converged()
            await operator.release.uninstall()
        await self.gone(NAMESPACES, "d8-metallb")
        for resource in USERS_OBJECTS:
            namespace = "default" if resource.is_namespaced else ""
            for name in await self.names(resource, namespace):
                if name != "kubernetes":
                    await self.client.delete(resource, name, namespace)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RealServer]:
    """The API server, and of the controllers the one that empties namespaces."""
    async with RealServer() as running:
        log = (running.directory / "kcm.log").open("wb")
        manager = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", tools.find("kube-controller-manager")),
            f"--kubeconfig={running.write_kubeconfig()}",
            "--leader-elect=false",
            "--secure-port=0",
            "--controllers=namespace-controller,garbage-collector-controller",
            stdout=log,
            stderr=log,
        )
        try:
            yield running
        finally:
            manager.kill()
            await manager.wait()
            log.close()


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    kubeconfig = server.write_kubeconfig()
    async with ApiClient(load_connection(str(kubeconfig))) as client:
        found = Cluster(kubeconfig, client)
        yield found
        await found.clear()


def _decoded(secret: dict[str, Any], key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


async def test_an_empty_module_stands_ready_and_stays_as_it_is(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        internal = operator.values["internal"]
        assert (internal["l2Enabled"], internal["bgpEnabled"]) == (False, False)
        assert "controller" in await cluster.names(DEPLOYMENTS, "d8-metallb")
        assert await cluster.names(DAEMONSETS, "d8-metallb") == []
        tls = await cluster.client.get(SECRETS, "metallb-webhook-tls", "d8-metallb")
        webhook = await cluster.client.get(WEBHOOKS, "metallb")
        for hook in webhook["webhooks"]:
            bundle = base64.b64decode(hook["clientConfig"]["caBundle"]).decode()
            assert bundle.strip() == _decoded(tls, "ca.crt").strip()
        keys = await cluster.client.get(SECRETS, "metallb-heartbeat-keys", "d8-metallb")
        assert len(bytes.fromhex(_decoded(keys, "keys").strip())) == 32
        first = await operator.release.revision()
        values = operator.values
    async with cluster.operator() as restarted:
        assert restarted.values == values, "what was made by chance is not made again"
        assert await restarted.release.revision() == first
        for name, before in (("metallb-webhook-tls", tls), ("metallb-heartbeat-keys", keys)):
            assert await cluster.client.get(SECRETS, name, "d8-metallb") == before
        assert _decoded(keys, "keys").strip() not in restarted.release.manifest


async def test_nodes_and_speakers_follow_the_classes(cluster: Cluster) -> None:
    for name, role in (("n1", "front"), ("n2", "front"), ("n3", "back")):
        await cluster.make(NODES, name, metadata={"labels": {"role": role}})
    async with cluster.operator() as operator:
        assert await cluster.members() == []
        spec = {"addressPool": ["10.0.0.0/24"], "nodeSelector": {"role": "front"}}
        await cluster.make(CLASSES, "front", spec=spec)
        await operator.converged()
        assert await cluster.members() == ["n1", "n2"]
        daemonset = await cluster.client.get(DAEMONSETS, "speaker", "d8-metallb")
        affinity = daemonset["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
        terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert terms == [{"matchExpressions": [{"key": MEMBER, "operator": "Exists"}]}]
        await cluster.make(NODES, "n4", metadata={"labels": {"role": "front"}})
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"role": "back"}}})
        await operator.converged()
        assert await cluster.members() == ["n2", "n4"]
        revision = await operator.release.revision()
        await cluster.client.patch(
            NODES, "n2", {"status": {"phase": "Running"}}, subresource="status"
        )
        runs = len(operator.history)
        await operator.converged()
        assert len(operator.history) == runs, "a node that reports itself alive runs no hook"
        assert await operator.release.revision() == revision
        await cluster.client.delete(CLASSES, "front")
        await operator.converged()
        assert await cluster.members() == []
        assert await cluster.names(DAEMONSETS, "d8-metallb") == []


async def test_passwords_reach_the_namespace_and_leave_it(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        ref = {"namespace": "default", "name": "tor"}
        spec = {"peerAddress": "192.0.2.1", "peerASN": 64501, "myASN": 64500}
        await cluster.make(PEERS, "tor", spec={**spec, "passwordSecretRef": ref})
        await operator.converged()
        [problem] = operator.metrics.find("d8_metallb_configuration_problem")
        assert problem.label("reason") == "PasswordSecretNotFound"
        peer = await cluster.client.get(PEERS, "tor")
        assert peer["status"]["conditions"][0]["reason"] == "PasswordSecretNotFound"
        labels = {f"{OURS}/metallb-bgp-password": "true"}
        await cluster.make(
            SECRETS,
            "tor",
            "default",
            metadata={"labels": labels},
            stringData={"password": "s3cret"},
        )
        await operator.converged()
        copy = await cluster.client.get(SECRETS, "bgp-pwd-default-tor", "d8-metallb")
        assert (copy["type"], _decoded(copy, "password")) == ("kubernetes.io/basic-auth", "s3cret")
        assert operator.metrics.find("d8_metallb_configuration_problem") == []
        assert "s3cret" not in json.dumps(operator.values)
        assert copy["data"]["password"] not in operator.release.manifest
        patch = {"stringData": {"password": "another"}}
        await cluster.client.patch(SECRETS, "tor", patch, namespace="default")
        await operator.converged()
        copy = await cluster.client.get(SECRETS, "bgp-pwd-default-tor", "d8-metallb")
        assert _decoded(copy, "password") == "another"
        await cluster.client.delete(PEERS, "tor")
        await operator.converged()
        assert "bgp-pwd-default-tor" not in await cluster.names(SECRETS, "d8-metallb")
        await cluster.client.delete(SECRETS, "tor", "default")


V2: dict[str, Any] = {
    "addressPools": [
        {
            "name": "edge",
            "protocol": "bgp",
            "addresses": ["192.0.2.0/24", "198.51.100.10-198.51.100.20"],
            "auto-assign": False,
            "avoid-buggy-ips": True,
            "bgp-advertisements": [
                {"aggregation-length": 32, "localpref": 100, "communities": ["vpn"]}
            ],
        },
    ],
    "bgpCommunities": {"vpn": "64500:100"},
    "bgpPeers": [
        {
            "peer-address": "203.0.113.1",
            "peer-asn": 64501,
            "my-asn": 64500,
            "peer-port": 179,
            "hold-time": "90s",
            "router-id": "203.0.113.9",
            "source-address": "203.0.113.8",
            "password": "s3cret",
            "node-selector": {"matchLabels": {"rack": "1"}},
        },
        {"peer-address": "203.0.113.2", "peer-asn": 64501, "my-asn": 64500},
    ],
    "speaker": {"nodeSelector": {"role": "edge"}},
}


async def test_bgp_settings_of_version_2_become_objects(cluster: Cluster) -> None:
    await cluster.make(NODES, "n1", metadata={"labels": {"role": "edge", "rack": "1"}})
    async with cluster.operator(V2, 2) as operator:
        assert "bgpPeers" not in operator.values or not operator.values["bgpPeers"]
        pool = (await cluster.client.get(POOLS, "edge"))["spec"]
        assert (pool["autoAssign"], pool["avoidBuggyIPs"]) == (False, True)
        peer = (await cluster.client.get(PEERS, "peer-0"))["spec"]
        assert peer["sourceAddresses"] == [{"nodeName": "n1", "address": "203.0.113.8"}]
        assert peer["holdTime"] == "90s"
        selected = {
            name: (await cluster.client.get(CONFIGURATIONS, name))["spec"]["nodeSelector"]
            for name in await cluster.names(CONFIGURATIONS)
        }
        assert selected == {
            "migrated-bgp": {"role": "edge"},
            "migrated-bgp-1": {"rack": "1", "role": "edge"},
        }
        ref = peer["passwordSecretRef"]
        copy = f"bgp-pwd-{ref['namespace']}-{ref['name']}"
        secret = await cluster.client.get(SECRETS, copy, "d8-metallb")
        assert _decoded(secret, "password") == "s3cret"
        assert ref["namespace"] == "d8-system", "where it outlives the module"
        for name in ("peer-0", "peer-1"):
            conditions = (await cluster.client.get(PEERS, name))["status"]["conditions"]
            assert [item["status"] for item in conditions] == ["True"]
        assert operator.values["internal"]["bgpEnabled"]
        assert len(operator.metrics.find("d8_metallb_update_mc_version_required")) == 1
        # the user edits, raises the version, and takes the old settings away
        await cluster.client.patch(POOLS, "edge", {"spec": {"autoAssign": True}})
        await operator.converged()
        assert (await cluster.client.get(POOLS, "edge"))["spec"]["autoAssign"] is True
        await operator.configure({}, 3)
        await operator.converged()
        assert operator.metrics.find("d8_metallb_update_mc_version_required") == []
        await cluster.client.delete(PEERS, "peer-1")
        await operator.converged()
        assert await cluster.names(PEERS) == ["peer-0"], "nobody makes it again"


async def test_l2_pools_of_version_1_keep_every_address(cluster: Cluster) -> None:
    pools = [
        {"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/24"]},
        {"name": "b", "protocol": "layer2", "addresses": ["10.0.1.1-10.0.1.9"]},
    ]
    before = {
        "web": await cluster.service("web", "10.0.0.7"),
        "dns": await cluster.service("dns", "10.0.1.2", externalTrafficPolicy="Local"),
        "theirs": await cluster.service("theirs", "10.0.0.9", loadBalancerClass="example.com/x"),
        "plain": await cluster.service("plain", "203.0.113.7"),
    }
    async with cluster.operator({"addressPools": pools, "speaker": {}}, 1) as operator:
        found = (await cluster.client.get(CLASSES, "l2-default"))["spec"]
        assert found["isDefault"] is True
        assert found["addressPool"] == ["10.0.0.0/24", "10.0.1.1-10.0.1.9"]
        assert await cluster.names(VIPS) == ["10.0.0.7", "10.0.1.2"]
        assert operator.values["internal"]["l2Enabled"]
        for name, service in before.items():
            now = await cluster.client.get(SERVICES, name, "default")
            assert now["status"]["loadBalancer"] == service["status"]["loadBalancer"]
            bound = [item["message"] for item in now["status"].get("conditions") or []]
            assert bound == (["l2-default"] if name in ("web", "dns") else [])
        revision = await operator.release.revision()
        pools[0]["addresses"] = ["10.0.0.0/24", "10.0.2.0/24"]
        await operator.configure({"addressPools": pools, "speaker": {}}, 1)
        await operator.converged()
        found = (await cluster.client.get(CLASSES, "l2-default"))["spec"]
        assert "10.0.2.0/24" in found["addressPool"], "the old settings go on ruling"
        assert await operator.release.revision() == revision


async def test_a_running_module_of_deckhouse_is_taken_over(
    cluster: Cluster, tmp_path: Path
) -> None:
    spec = {"addressPool": ["10.0.0.1-10.0.0.9"], "isDefault": True}
    await ensure_crds(cluster.client, [OLD_CRD, *_our_crds()])
    settings = {"loadBalancerClass": "example.com/bgp"}
    await cluster.make(CLASSES, "front", spec=spec)
    before = {
        "web": await cluster.service("web", "10.0.0.7", "10.0.0.3", bound="front"),
        "dns": await cluster.service("dns", "10.0.0.3", bound="front"),
        "outside": await cluster.service("outside", "10.9.9.9", bound="front"),
        "gone": await cluster.service("gone", "10.0.5.5", bound="no-such-class"),
        "edge": await cluster.service("edge", "192.0.2.0", loadBalancerClass="example.com/bgp"),
        "theirs": await cluster.service("theirs", "192.0.2.1", loadBalancerClass="example.com/x"),
    }
    await cluster.make(POOLS, "edge", spec={"addresses": ["192.0.2.0/24"]})
    children = (("web", 0), ("web", 1), ("dns", 0))
    await install_old_release(cluster.kubeconfig, tmp_path / "old", children)
    async with cluster.operator(settings, 3) as operator:
        vips = {
            name: (await cluster.client.get(VIPS, name))["spec"]
            for name in await cluster.names(VIPS)
        }
        assert {
            name: [item["name"] for item in found["services"]] for name, found in vips.items()
        } == {
            "10.0.0.3": ["dns", "web"],
            "10.0.0.7": ["web"],
            "10.9.9.9": ["outside"],
            "192.0.2.0": ["edge"],
        }
        assert {name: found["pool"] for name, found in vips.items()} == {
            "10.0.0.3": "front",
            "10.0.0.7": "front",
            "10.9.9.9": "front",
            "192.0.2.0": "edge",
        }
        assert {name for name, found in vips.items() if "bgp" in found} == {"192.0.2.0"}
        hooks = [item.hook.rsplit("/")[-1] for item in operator.history]
        assert hooks.index("adopt_addresses.py") < hooks.index("remove_old_kind.py")
        await cluster.gone(CRDS, OLD_CRD["metadata"]["name"])
        for name, service in before.items():
            now = await cluster.client.get(SERVICES, name, "default")
            assert now["status"] == service["status"], "nothing of it was touched"
        [orphan] = operator.metrics.find("d8_l2_load_balancer_orphan_service")
        assert orphan.label("name") == "gone"
        assert "speaker" in await cluster.names(DAEMONSETS, "d8-metallb")


def _our_crds() -> list[dict[str, Any]]:
    names = ("metalloadbalancerclasses", "metalloadbalancerpools")
    return [yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text()) for name in names]


async def test_what_stays_when_the_module_is_disabled(cluster: Cluster) -> None:
    await cluster.make(NODES, "n1")
    async with cluster.operator() as operator:
        await cluster.make(CLASSES, "front", spec={"addressPool": ["10.0.0.0/24"]})
        vip = {"address": "10.0.0.7", "pool": "front", "services": []}
        await cluster.make(VIPS, "10.0.0.7", spec=vip, kind="VirtualIP")
        await operator.converged()
        assert await cluster.members() == ["n1"]
        await operator.disable()
        assert await cluster.members() == []
        assert await operator.release.revision() is None
        await cluster.gone(NAMESPACES, "d8-metallb")
        assert await cluster.names(CLASSES) == ["front"]
        assert await cluster.names(VIPS) == ["10.0.0.7"]
        assert "virtualips.network.deckhouse.io" in await cluster.names(CRDS)
        await operator.configure({}, None)
        await operator.converged()
        assert await cluster.members() == ["n1"]
        assert "speaker" in await cluster.names(DAEMONSETS, "d8-metallb")


BAD: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "bad_settings.yaml").read_text()
)


async def _running(cluster: Cluster, operator: ModuleOperator) -> Any:
    """What runs: values, release, and the objects of the workloads as they are."""
    objects = [
        await cluster.client.get(DEPLOYMENTS, "controller", "d8-metallb"),
        await cluster.client.get(WEBHOOKS, "metallb"),
        await cluster.client.get(SECRETS, "metallb-heartbeat-keys", "d8-metallb"),
    ]
    return operator.values, await operator.release.revision(), objects


async def test_bad_settings_are_refused_and_nothing_changes(cluster: Cluster) -> None:
    assert len(BAD) >= 50
    async with cluster.operator({"logLevel": "Debug"}, 3) as operator:
        before = await _running(cluster, operator)
        for case in BAD:
            with pytest.raises(SettingsRefusedError) as refusal:
                await operator.configure(case["settings"], case.get("version", 3))
            assert _says(refusal.value, case), (case, refusal.value.faults)
        await operator.converged()
        assert await _running(cluster, operator) == before
        await operator.configure({"logLevel": "Warning"}, 3)
        await operator.converged()
        assert operator.values["logLevel"] == "Warning"
        after = await operator.release.revision()
        assert after is not None
        assert after.number == before[1].number + 1


async def test_bad_settings_that_came_past_admission_change_nothing(cluster: Cluster) -> None:
    async with cluster.operator({"logLevel": "Debug"}, 3) as operator:
        before = await _running(cluster, operator)
        for case in BAD:
            config = await cluster.client.get(MODULE_CONFIGS, "metallb")
            config["spec"] = {"enabled": True, "settings": case["settings"]}
            if (version := case.get("version", 3)) is not None:
                config["spec"]["version"] = version
            told = operator.settings_error
            await cluster.client.replace(MODULE_CONFIGS, "metallb", config)
            async with asyncio.timeout(SECONDS):
                while operator.settings_error in (None, told):
                    await asyncio.sleep(0.02)
            assert operator.settings_error is not None
            assert _says(operator.settings_error, case), (case, operator.settings_error.faults)
        await operator.converged()
        assert await _running(cluster, operator) == before
        await operator.configure({"logLevel": "Warning"}, 3)
        await operator.converged()
        assert operator.settings_error is None
        assert operator.values["logLevel"] == "Warning"


def _says(error: SettingsRefusedError, case: dict[str, Any]) -> bool:
    return any(item.startswith(case["says"]) for item in error.faults)


async def test_a_peer_that_an_old_metallb_stored_goes_on(cluster: Cluster) -> None:
    """MetalLB once stored BGPPeer as v1beta1: the module serves that version too."""
    ours = yaml.safe_load((ROOT / "crds/native/bgppeers.yaml").read_text())
    await ensure_crds(cluster.client, [ours])
    name = ours["metadata"]["name"]
    old = [{**item, "storage": item["name"] == "v1beta1"} for item in ours["spec"]["versions"]]
    await cluster.client.patch(CRDS, name, {"spec": {"versions": old}})
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"}
    v1beta1 = Resource("metallb.io", "v1beta1", "bgppeers")
    peer = {"apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": {"name": "tor"}}
    await cluster.client.create(v1beta1, {**peer, "spec": spec}, "default")
    await ensure_crds(cluster.client, [ours])
    v1beta2 = Resource("metallb.io", "v1beta2", "bgppeers")
    found = await cluster.client.get(v1beta2, "tor", "default")
    assert found["spec"] == found["spec"] | spec
    await cluster.client.delete(v1beta2, "tor", "default")


async def test_old_annotations_give_an_alert(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        annotations = {"metallb.universe.tf/loadBalancerIPs": "10.0.0.7"}
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        await cluster.make(
            SERVICES, "web", "default", metadata={"annotations": annotations}, spec=spec
        )
        bound = {"status": {"conditions": [bound_condition("front")]}}
        await cluster.client.patch(
            SERVICES, "web", bound, namespace="default", subresource="status"
        )
        await operator.converged()
        name = "d8_metallb_not_supported_service_annotations_detected"
        [series] = operator.metrics.find(name)
        assert series.label("annotation") == "metallb.universe.tf/loadBalancerIPs"
        with suppress(ConflictError):
            await cluster.client.delete(SERVICES, "web", "default")
        await operator.converged()
        assert operator.metrics.find(name) == []
