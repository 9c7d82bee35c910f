"""Services and pools of MetalLB in a scene: what several modules of tests do with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from metallb_lab import objects
from support.scene import POLL_SECONDS, WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metallb.kube.client import JsonObject
    from support.scene import Scene

POOL = "metallb.io/address-pool"
SHARE = "metallb.io/allow-shared-ip"
REQUEST = "metallb.io/loadBalancerIPs"


async def eventually(look: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until what the server says is so; there is no mirror of it."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not await look():
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def make(scene: Scene, name: str = "web", **rest: Any) -> JsonObject:
    """Make a Service that names no class."""
    return await scene.make_service(name, load_balancer_class=None, **rest)


async def patch(scene: Scene, name: str, body: JsonObject, subresource: str = "") -> JsonObject:
    """Change a Service."""
    client = scene.cluster.client
    return await client.patch(
        objects.SERVICES, scene.name(name), body, namespace="default", subresource=subresource
    )


async def annotate(scene: Scene, name: str, **annotations: str | None) -> None:
    """Change MetalLB's annotations of a Service; `request`, `pool` and `share` are their names."""
    known = {"request": REQUEST, "pool": POOL, "share": SHARE}
    body = {known[word]: text for word, text in annotations.items()}
    await patch(scene, name, {"metadata": {"annotations": body}})


async def patch_pool(scene: Scene, name: str = "pool", **spec: Any) -> None:
    """Change the spec of an IPAddressPool."""
    await scene.cluster.patch("IPAddressPool", scene.name(name), {"spec": spec}, objects.NAMESPACE)
