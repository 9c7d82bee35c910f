"""What Services get their addresses from in a benchmark: a default class, or MetalLB's objects.

The key is what the bare clients are told, so that they write what the controller writes.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb.domain.address_pools import PoolKind, pool_key
from metallb_lab import objects

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient

NAME = "bench"
FIRST = IPv4Address("10.64.0.1")


class Supply(StrEnum):
    """Where addresses come from; the value is the word for it."""

    CLASS = "class"
    POOL = "pool"

    @property
    def pool(self) -> str:
        """The key by which VirtualIPs name it."""
        return pool_key(PoolKind.CLASS if self is Supply.CLASS else PoolKind.NATIVE, NAME)

    async def prepare(self, client: ApiClient) -> None:
        """Make what is to be there before it."""
        if self is Supply.POOL:
            body = objects.l2_advertisement(NAME)
            await client.create(objects.L2_ADVERTISEMENTS, body, objects.NAMESPACE)

    async def create(self, client: ApiClient, count: int) -> None:
        """Make it, with so many addresses."""
        ranges = [f"{FIRST}-{FIRST + count - 1}"]
        if self is Supply.CLASS:
            body = objects.load_balancer_class(NAME, ranges, is_default=True)
            await client.create(objects.CLASSES, body)
        else:
            body = objects.ip_address_pool(NAME, ranges)
            await client.create(objects.IP_ADDRESS_POOLS, body, objects.NAMESPACE)
