"""An embedded API server with our kinds: VirtualIPs and the roll, written and read by a test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import yaml

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import NodeName
from metallb.api.speakers import Speaker, lease_name, lease_object, read_speaker
from metallb.api.virtual_ips import (
    Layer2Orders,
    VirtualIP,
    VirtualIPSpec,
    new_virtual_ip,
    read_virtual_ip,
    spec_object,
    to_object,
)
from metallb.net.addresses import object_name
from metallb_lab.apiserver.store import Key
from metallb_lab.cluster import CRDS
from metallb_lab.objects import CUSTOM_RESOURCES, LEASES, NAMESPACE, NAMESPACES, NODES, VIRTUAL_IPS

if TYPE_CHECKING:
    from metallb.api.virtual_ips import Suspension
    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

LONG_AGO = "2026-11-23T12:00:00.000000Z"


@cache
def all_crds() -> tuple[dict[str, Any], ...]:
    """Read all our kinds, once."""
    paths = sorted(path for path in CRDS.rglob("*.yaml") if not path.name.startswith("doc-"))
    return tuple(yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in paths)


@dataclass(slots=True)
class Ledger:
    """What a test does to the API server, and sees in it."""

    server: ApiServer
    client: ApiClient

    async def set_up(self, *nodes: str) -> None:
        """Make what the controller and the module bring."""
        for crd in all_crds():
            await self.client.create(CUSTOM_RESOURCES, crd)
        await self.client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for node in nodes:
            await self.client.create(NODES, {"metadata": {"name": node}})

    # -- VirtualIPs --------------------------------------------------------------------------------

    async def make_vip(self, address: str, *nodes: str) -> None:
        """Make a VirtualIP."""
        spec = _spec(address, nodes, None)
        await self.client.create(VIRTUAL_IPS, to_object(new_virtual_ip(spec)))

    async def change_vip(
        self, address: str, *nodes: str, suspended: Suspension | None = None
    ) -> None:
        """Give other orders."""
        body = {"spec": spec_object(_spec(address, nodes, suspended))}
        await self.client.patch(VIRTUAL_IPS, _name(address), body)

    async def remove_vip(self, address: str) -> None:
        """Delete a VirtualIP."""
        await self.client.delete(VIRTUAL_IPS, _name(address))

    async def set_status(self, address: str, **status: Any) -> None:
        """Write a status, as another speaker does."""
        body = {"status": status}
        await self.client.patch(VIRTUAL_IPS, _name(address), body, subresource="status")

    def vip(self, address: str) -> VirtualIP:
        """Read a VirtualIP."""
        table = self.server.store.table("virtualips.network.deckhouse.io")
        stored = table.get(Key("", _name(address)))
        assert stored is not None
        found = read_virtual_ip(stored.value)
        assert isinstance(found, VirtualIP)
        return found

    def announcer(self, address: str) -> str:
        """Name the node that announces an address, by its status."""
        announcers = self.vip(address).status.announcers
        return announcers[0].node if announcers else ""

    # -- the roll ----------------------------------------------------------------------------------

    async def enter(self, node: str, *, holder: str = "somebody", port: int = 4225) -> None:
        """Enter a peer in the roll."""
        meta = Metadata(ObjectKey(NAMESPACE, lease_name(node)), "", "", 0, "", False)
        body = lease_object(Speaker(meta, NodeName(node), holder, port, ()), NAMESPACE, LONG_AGO)
        await self.client.create(LEASES, body, NAMESPACE)

    async def change_entry(self, node: str, **spec: Any) -> None:
        """Change an entry of the roll."""
        body = {"spec": spec}
        await self.client.patch(LEASES, lease_name(node), body, namespace=NAMESPACE)

    async def strike(self, node: str) -> None:
        """Take a peer out of the roll."""
        await self.client.delete(LEASES, lease_name(node), NAMESPACE)

    def lease(self, node: str) -> dict[str, Any] | None:
        """Give an entry of the roll as it is stored."""
        table = self.server.store.table("leases.coordination.k8s.io")
        stored = table.get(Key(NAMESPACE, lease_name(node)))
        return None if stored is None else stored.value

    def entry(self, node: str) -> Speaker | None:
        """Read an entry of the roll."""
        lease = self.lease(node)
        return None if lease is None else read_speaker(lease)

    def holder(self, node: str) -> str | None:
        """Tell who holds an entry of the roll; None: there is no entry."""
        entry = self.entry(node)
        return None if entry is None else entry.holder


def _name(address: str) -> str:
    return object_name(ip_address(address))


def _spec(address: str, nodes: tuple[str, ...], suspended: Suspension | None) -> VirtualIPSpec:
    key = ObjectKey("web", "nginx")
    layer2 = Layer2Orders(nodes, ("eth0",), suspended)
    return VirtualIPSpec(ip_address(address), "ingress", (key,), layer2=layer2)
