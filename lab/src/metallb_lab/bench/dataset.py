"""Ten thousand Services on a real API server, made once and kept.

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


def service_name(number: int) -> str:
    """Name of the Service with a number."""
    return f"service-{number:05d}"


def data(count: int) -> Iterator[tuple[Resource, JsonObject]]:
    """Give the objects: Services of type LoadBalancer, each with an EndpointSlice."""
    for number in range(count):
        name = service_name(number)
        yield objects.SERVICES, objects.service(name, ports=(("TCP", 80),))
        node = rig.NODES[number % len(rig.NODES)]
        yield bodies.SLICES, bodies.endpoint_slice(name, node, f"10.244.0.{1 + number % 250}")


def key(count: int) -> str:
    """Name data by all that decides them."""
    parts = [tools.set_of(name).digest() for name in PROGRAMS]
    parts += [json.dumps(body, sort_keys=True) for _, body in data(1)]
    parts.append(str(count))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


async def ensure(context: Context, count: int) -> Path:
    """Find the data, or make them (minutes)."""
    home = context.cache / "bench"
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"services-{count}-{key(count)}"
    with tools.lock(path.with_suffix(".lock"), path.name, context.say):
        if not path.exists():
            await _make(context, count, path)
    return path


async def _make(context: Context, count: int, path: Path) -> None:
    context.say(f"making {count} Services with their EndpointSlices, once; kept in {path.parent}")
    scratch = path.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    async with rig.running() as running:
        async for made in rig.create_all(running.client, data(count)):
            context.say(f"{made // 2} of {count} Services")
        await running.server.save(scratch)
    await asyncio.to_thread(scratch.rename, path)
