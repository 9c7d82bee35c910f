"""Ten thousand Services on a real API server, or only their EndpointSlices, made once and kept.

Creating them is slow on a real server (each creation looks at all ClusterIPs there are), so it is
done once: etcd's data are kept in the cache, under a name made from all that decides them (the
programs, the bodies, the count), and every run starts on a copy.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from typing import TYPE_CHECKING

from metallb_lab import objects, tools
from metallb_lab.bench import bodies, rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metallb.kube.client import JsonObject, Resource
    from metallb_lab.bench.benchmark import Context

PROGRAMS = ("etcd", "kube-apiserver")


def data(count: int, *, has_services: bool = True) -> Iterator[tuple[Resource, JsonObject]]:
    """Give the objects: Services of type LoadBalancer, and for each an EndpointSlice."""
    for number in range(count):
        if has_services:
            yield objects.SERVICES, bodies.service(number)
        node = rig.NODES[number % len(rig.NODES)]
        address = f"10.244.0.{1 + number % 250}"
        yield (
            objects.ENDPOINT_SLICES,
            bodies.endpoint_slice(bodies.service_name(number), node, address),
        )


def key(count: int, *, has_services: bool = True) -> str:
    """Name data by all that decides them."""
    parts = [tools.set_of(name).digest() for name in PROGRAMS]
    parts += [json.dumps(body, sort_keys=True) for _, body in data(1, has_services=has_services)]
    parts.append(str(count))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


async def ensure(context: Context, count: int, *, has_services: bool = True) -> Path:
    """Find the data, or make them (minutes)."""
    home = context.cache / "bench"
    home.mkdir(parents=True, exist_ok=True)
    what = "services" if has_services else "slices"
    path = home / f"{what}-{count}-{key(count, has_services=has_services)}"
    with tools.lock(path.with_suffix(".lock"), path.name, context.say):
        if not path.exists():
            await _make(context, list(data(count, has_services=has_services)), path)
    return path


async def _make(context: Context, wanted: list[tuple[Resource, JsonObject]], path: Path) -> None:
    context.say(f"making {path.name}, {len(wanted)} objects, once; kept in {path.parent}")
    scratch = path.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    async with rig.running() as running:
        async for made in rig.create_all(running.client, wanted):
            context.say(f"{made} of {len(wanted)} objects")
        await running.server.save(scratch)
    await asyncio.to_thread(scratch.rename, path)
