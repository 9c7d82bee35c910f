"""Deckhouse's own module is replaced in a running cluster: pods, the real control plane, a client.

The recorded state is that of Deckhouse 1.77 (a class, Services bound to it with addresses in their
statuses, a child object for each address), or of its first settings (pools in the ModuleConfig).
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb.kube.errors import NotFoundError
from metallb.kube.reflector import Reflector
from metallb_controller.app.resources import CHILDREN
from metallb_lab import images, objects, probes
from metallb_lab.objects import NAMESPACE, SERVICES
from metallb_lab.operator import ModuleConfig, ModuleOperator
from metallb_lab.operator.crds import CRDS, ensure_crds
from metallb_lab.pods import module, web
from metallb_lab.pods.cluster import PodCluster
from module.hooks.deckhouse import OLD_CRD, install_old_release

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from metallb.kube.client import JsonObject
    from metallb.kube.reflector import Key

pytestmark = [
    pytest.mark.netns,
    pytest.mark.alone,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[3]
BOUND = "network.deckhouse.io/load-balancer-class"
SECONDS = 90.0
HELD = {"shop": ("10.10.128.17",), "many": ("10.10.128.31", "10.10.128.12")}
"""What each Service holds: not what a new allocation would give it."""
SHOWN = {**HELD, "many": HELD["many"][:1]}
"""What their statuses show with Deckhouse's module: the second of `many` only a child has."""

EVERY = {address for addresses in HELD.values() for address in addresses}


class Statuses:
    """The addresses that each Service was ever seen with, from now on."""

    def __init__(self, cluster: PodCluster, before: Mapping[str, tuple[str, ...]] = HELD) -> None:
        self._before = before
        self.seen: dict[str, set[tuple[str, ...]]] = {}
        self._mirror: Reflector[JsonObject] = Reflector(
            cluster.client, SERVICES, lambda value: value, self._on_change, chance=random.random,
            namespace="default",
        )  # fmt: skip

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch all the while; AssertionError if a Service had another address for a moment, or
        does not have all in the end.
        """
        task = asyncio.create_task(self._mirror.run())
        await self._mirror.synced.wait()
        try:
            yield
        finally:
            task.cancel()
        assert {name: self.seen[name] for name in HELD} == {
            name: {self._before[name], addresses} for name, addresses in HELD.items()
        }

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        if new is not None:
            ingress = (new.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
            self.seen.setdefault(key[1], set()).add(tuple(item["ip"] for item in ingress))


async def hold(
    cluster: PodCluster,
    shown: Mapping[str, tuple[str, ...]] = HELD,
    *,
    bound: str = "",
    **spec: Any,
) -> None:
    """Make the Services, with the addresses that they show."""
    for name, addresses in HELD.items():
        await cluster.apply(objects.service(name, count=len(addresses), **spec))
        ingress = [{"ip": item} for item in shown[name]]
        status: JsonObject = {"loadBalancer": {"ingress": ingress}}
        if bound:
            status["conditions"] = [
                {
                    "type": BOUND, "status": "True", "reason": "LoadBalancerClassBound",
                    "message": bound, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]  # fmt: skip
        await cluster.patch("Service", name, {"status": status}, "default", "status")


async def start_web(cluster: PodCluster) -> None:
    """Run the pods that the Services lead to."""
    image = module.reference(cluster.images["controller"])
    await cluster.apply(web.deployment("web", image, 3))
    await cluster.until_rolled_out("Deployment", "web")


def operator(cluster: PodCluster, settings: JsonObject, version: int) -> ModuleOperator:
    """Make the operator that enables our module with old settings."""
    return ModuleOperator(
        cluster.plane.outside_kubeconfig,
        ROOT,
        ModuleConfig(settings=settings, version=version),
        shared=module.shared_values(cluster.images),
        patience=module.PATIENCE,
    )


async def serves_what_was_held(cluster: PodCluster) -> None:
    """See the pods run, and the client reach them through the addresses that were held before."""
    await cluster.until_rolled_out("Deployment", "controller", NAMESPACE, SECONDS)
    await cluster.until_rolled_out("DaemonSet", "speaker", NAMESPACE, SECONDS)
    await cluster.start_mirrors()
    await cluster.until(lambda: all_announced(cluster), SECONDS, "every address is announced")
    await reach_all(cluster)


def all_announced(cluster: PodCluster) -> bool:
    """Tell whether what is announced is what was held."""
    owners = cluster.announcers()
    return owners.keys() == EVERY and all(owners.values())


async def reach_all(cluster: PodCluster) -> None:
    """Ask each address until it answers."""
    client = cluster.topology.hosts["client"].namespace
    for address in sorted(EVERY):
        await asyncio.to_thread(probes.wait_for_http, client, address, 80)


async def is_gone(cluster: PodCluster, name: str) -> bool:
    """Tell whether a CRD is there no more."""
    try:
        await cluster.client.get(CRDS, name)
    except NotFoundError:
        return True
    return False


async def test_a_running_cluster_of_1_77_goes_on_with_its_addresses(tmp_path: Path) -> None:
    found = {name: images.ensure(name) for name in module.IMAGES}
    ours = yaml.safe_load((ROOT / "crds" / "metalloadbalancerclasses.yaml").read_text())
    async with PodCluster(found) as cluster:
        await start_web(cluster)
        await ensure_crds(cluster.client, [OLD_CRD, ours])
        await cluster.apply(
            objects.load_balancer_class("front", ["10.10.128.10-10.10.128.60"], is_default=True)
        )
        await hold(cluster, SHOWN, bound="front")
        children = [(name, index) for name, held in HELD.items() for index in range(len(held))]
        config = cluster.plane.outside_kubeconfig
        await install_old_release(config, tmp_path / "old", children)
        for name, index in children:
            status = {"loadBalancer": {"ingress": [{"ip": HELD[name][index]}]}}
            await cluster.client.patch(
                CHILDREN, f"{name}-front-{index}", {"status": status},
                namespace="default", subresource="status",
            )  # fmt: skip
        async with Statuses(cluster, SHOWN).watched(), operator(cluster, {}, 2) as running:
            await running.converged()
            await serves_what_was_held(cluster)
            name = OLD_CRD["metadata"]["name"]
            await cluster.until_true(
                lambda: is_gone(cluster, name), SECONDS, "the old kind is gone"
            )


async def test_pools_of_the_first_settings_go_on_with_their_addresses() -> None:
    found = {name: images.ensure(name) for name in module.IMAGES}
    pool = {"name": "a", "protocol": "layer2", "addresses": ["10.10.128.10-10.10.128.60"]}
    async with PodCluster(found) as cluster:
        await start_web(cluster)
        await hold(cluster)
        settings = {"addressPools": [pool], "speaker": {}}
        async with Statuses(cluster).watched(), operator(cluster, settings, 1) as running:
            await running.converged()
            await serves_what_was_held(cluster)
            await running.configure({}, module.VERSION)  # as the page of the version says
            await running.converged()
            assert all_announced(cluster)
            await reach_all(cluster)
