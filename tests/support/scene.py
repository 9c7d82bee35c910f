"""One test's part of a shared cluster: classes, Services and addresses of its own.

Every scene has a number, and everything of it carries it: names begin with `tN-`, addresses are
10.10.O.X and fd10::1:N:X, where O goes round the octets that VIPs may have. `close` deletes what it
made and waits until the ledger has nothing left of it, so a test that leaks an address fails.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from metallb.api.classes import read_class
from metallb.api.conditions import ServiceCondition
from metallb.kube.errors import NotFoundError
from metallb_lab import objects, probes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metallb.api.conditions import ClassCondition
    from metallb.kube.client import JsonObject
    from metallb_lab.cluster import Cluster
    from metallb_lab.probes import HttpAnswer

WAIT_SECONDS = 40.0
"""Deadline of all waits: for a machine that is busy with other things."""

AT_ONCE: Mapping[str, Any] = {"delaySeconds": 0, "movesPerMinute": 60_000}
"""Rebalancing without a pause, so that tests need not wait for it."""

OCTETS = range(128, 254)
"""Third octets of scenes, which take turns: fewer than tests, but one is used again only when the
scene that had it is long gone. 254 is the fences' of the site."""

OUR_COMPONENTS = frozenset({"metallb-controller", "metallb-hooks"})
"""Who posts the Events that are ours."""

HTTP_SECONDS = 1.0
POLL_SECONDS = 0.05


class Scene:
    """What one test makes in a cluster."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self._made: list[tuple[str, str, str]] = []

    # -- names and addresses -----------------------------------------------------------------------

    def name(self, short: str) -> str:
        """Full name of an object of this scene."""
        return f"t{self.number}-{short}"

    def ipv4(self, last: int) -> str:
        """Give an IPv4 address of this scene."""
        return f"10.10.{OCTETS[self.number % len(OCTETS)]}.{last}"

    def ipv6(self, last: int) -> str:
        """Give an IPv6 address of this scene."""
        return f"fd10::1:{self.number:x}:{last:x}"

    def range4(self, first: int, last: int) -> str:
        """Give a range of IPv4 addresses."""
        return f"{self.ipv4(first)}-{self.ipv4(last)}"

    def range6(self, first: int, last: int) -> str:
        """Give a range of IPv6 addresses."""
        return f"{self.ipv6(first)}-{self.ipv6(last)}"

    # -- objects -----------------------------------------------------------------------------------

    async def make_class(
        self,
        *ranges: str,
        name: str = "pool",
        rebalancing: Mapping[str, Any] = AT_ONCE,
        **rest: Any,
    ) -> str:
        """Make a class; its full name comes back."""
        full = self.name(name)
        await self.make(
            objects.load_balancer_class(full, ranges, rebalancing=dict(rebalancing), **rest)
        )
        return full

    async def make_pool(
        self, *addresses: str, name: str = "pool", is_advertised: bool = True, **spec: Any
    ) -> str:
        """Make an IPAddressPool, and an L2Advertisement for it alone; its full name comes back."""
        full = self.name(name)
        if is_advertised:
            await self.make(objects.l2_advertisement(full, ipAddressPools=[full]))
        await self.make(objects.ip_address_pool(full, addresses, **spec))
        return full

    async def pool_status(self, name: str = "pool") -> JsonObject:
        """Read the status of an IPAddressPool; empty when it has none yet."""
        value = await self.cluster.get("IPAddressPool", self.name(name), objects.NAMESPACE)
        found: JsonObject = value.get("status") or {}
        return found

    async def make_service(self, name: str = "web", load_balancer_class: str | None = "pool",
                           **rest: Any) -> JsonObject:  # fmt: skip
        """Make a Service of a class of this scene (None: of none)."""
        if load_balancer_class is not None:
            rest["loadBalancerClass"] = self.name(load_balancer_class)
        return await self.make(objects.service(self.name(name), **rest))

    async def make_pod(self, name: str, node: str, app: str, **rest: Any) -> None:
        """Make a pod that serves."""
        await self.cluster.add_pod(self.name(name), node, {"app": self.name(app), **rest})
        self._made.append(("Pod", self.name(name), "default"))

    async def make(self, value: JsonObject) -> JsonObject:
        """Make an object, to be deleted in the end; its name must be of this scene."""
        meta = value["metadata"]
        self._made.append((value["kind"], meta["name"], meta.get("namespace", "")))
        return await self.cluster.apply(value)

    async def patch_class(self, name: str = "pool", **spec: Any) -> None:
        """Change the spec of a class."""
        await self.cluster.patch("MetalLoadBalancerClass", self.name(name), {"spec": spec})

    async def annotate(self, name: str, **annotations: str | None) -> None:
        """Change annotations of a Service; `count`, `addresses`, `key` and `of_class` are ours."""
        known = {
            "count": "network.deckhouse.io/l2-load-balancer-external-ips-count",
            "addresses": "network.deckhouse.io/load-balancer-ips",
            "key": "network.deckhouse.io/load-balancer-shared-ip-key",
            "of_class": "network.deckhouse.io/metal-load-balancer-class",
        }
        body = {known[word]: text for word, text in annotations.items()}
        await self.cluster.patch(
            "Service", self.name(name), {"metadata": {"annotations": body}}, "default"
        )

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object of this scene before its end."""
        places = {"MetalLoadBalancerClass": "", "IPAddressPool": objects.NAMESPACE}
        namespace = places.get(kind, "default")
        await self.cluster.delete(kind, self.name(name), namespace)

    async def close(self) -> None:
        """Delete everything, and wait until the ledger has nothing of it."""
        for kind, name, namespace in reversed(self._made):
            try:
                await self.cluster.delete(kind, name, namespace)
            except NotFoundError:
                continue
        await self.until(lambda: not self.leftovers(), f"nothing left of scene {self.number}")

    def leftovers(self) -> list[str]:
        """Name what the ledger and the mirrors still have of this scene."""
        prefix = self.name("")
        services = [item.meta.key.name for item in self.cluster.services]
        found = [name for name in services if name.startswith(prefix)]
        found += [
            str(vip.spec.address)
            for vip in self.cluster.vips
            if any(key.name.startswith(prefix) for key in vip.spec.services)
        ]
        classes = [item["metadata"]["name"] for item in self.cluster.classes]
        return found + [name for name in classes if name.startswith(prefix)]

    # -- looking -----------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait until a condition over the cluster's mirrors holds."""
        await self.cluster.until(condition, WAIT_SECONDS, what)

    def addresses(self, name: str = "web") -> tuple[str, ...]:
        """Give the addresses in the status of a Service of this scene."""
        return self.cluster.addresses(self.name(name))

    def said(self, kind: ServiceCondition, name: str = "web") -> tuple[bool, str, str]:
        """Give what a condition of a Service says: status, reason, message; nothing: empty."""
        service = self.cluster.service(self.name(name))
        found = None if service is None else service.condition(kind)
        return (False, "", "") if found is None else (found.is_true, found.reason, found.message)

    def reason(self, kind: ServiceCondition, name: str = "web") -> str:
        """Give the reason of a condition of a Service; empty when there is none."""
        return self.said(kind, name)[1]

    async def refused(self, reason: str, name: str = "web") -> str:
        """Wait until a Service's request is refused, for a reason; gives the words of it.

        The Event about it is waited for too, and has to say the same.
        """
        kind = ServiceCondition.REQUEST
        await self.until(
            lambda: self.said(kind, name)[:2] == (False, reason), f"{self.name(name)}: {reason}"
        )
        message = self.said(kind, name)[2]
        assert await self.event(name, reason) == message
        return message

    def class_says(self, kind: ClassCondition, name: str = "pool") -> tuple[bool, str, str]:
        """Give what a condition of a class says: status, reason, message; nothing: empty."""
        value = self.cluster.classes.get(("", self.name(name)))
        found = () if value is None else read_class(value).status.conditions
        given = {item.type: (item.is_true, item.reason, item.message) for item in found}
        return given.get(kind, (False, "", ""))

    def announcers(self, name: str = "web") -> dict[str, str]:
        """Give address -> node that announces it, of one Service; empty: nobody, or several."""
        return {item: self.cluster.announcer(item) for item in self.addresses(name)}

    def is_served(self, count: int = 1, name: str = "web") -> bool:
        """Tell whether a Service has so many addresses, each announced by its first choice.

        An address that has no choice yet, since the controller has not heard how its pool is
        announced, is not served.
        """
        if len(self.addresses(name)) != count:
            return False
        vips = [self.cluster.vip(item) for item in self.addresses(name)]
        return all(
            vip is not None
            and vip.spec.layer2.nodes
            and vip.spec.layer2.nodes[:1] == tuple(item.node for item in vip.status.announcers)
            for vip in vips
        )

    async def served(self, count: int = 1, name: str = "web") -> tuple[str, ...]:
        """Wait until a Service is served; gives its addresses."""
        await self.until(
            lambda: self.is_served(count, name), f"{self.name(name)} served on {count} addresses"
        )
        return self.addresses(name)

    async def has(self, addresses: Sequence[str], name: str = "web") -> None:
        """Wait until a Service's status shows exactly these addresses, in this order."""
        wanted = tuple(addresses)
        await self.until(lambda: self.addresses(name) == wanted, f"{self.name(name)} has {wanted}")

    async def http(self, address: str, port: int = 80, client: str = "client") -> HttpAnswer:
        """Ask a VIP over HTTP from the client, until it answers: kube-proxy takes its time."""
        namespace = self.cluster.topology.hosts[client].namespace
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    return await asyncio.to_thread(
                        probes.http_get, namespace, address, port, HTTP_SECONDS
                    )
                except (OSError, ValueError):
                    await asyncio.sleep(POLL_SECONDS)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Give reason and message of our Events about an object of this scene.

        The API server posts its own about Services, such as ClusterIPNotAllocated.
        """
        found = await self.cluster.events(self.name(name))
        ours = [item for item in found if item["reportingComponent"] in OUR_COMPONENTS]
        return [(item["reason"], item["message"]) for item in ours]

    async def event(self, name: str, reason: str) -> str:
        """Wait for an Event with a reason; gives its message."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                for found, message in await self.events(name):
                    if found == reason:
                        return message
                await asyncio.sleep(POLL_SECONDS)
