"""The bare start of RESTART: what any program has to do before it can serve one more Service.

It reads VirtualIPs, Services and EndpointSlices in pages, all kinds at once, keeps only what it
needs of them, and gives an address to each Service without one by the same two writes as the
controller. No election, no decision, no watch.

    python -m metallb_lab.bench.barestart --kubeconfig FILE --pool KEY --first ADDRESS --nodes n1,n2

Says {"served": COUNT, "peak_mib": MEMORY} and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvloop

from metallb.kube.client import ApiClient
from metallb_lab import objects
from metallb_lab.bench import machine
from metallb_lab.bench.access import read_connection
from metallb_lab.bench.bare import Sender, assignment
from metallb_lab.bench.conversation import say

if TYPE_CHECKING:
    from metallb.kube.client import JsonObject, Resource

CONNECTIONS = 4


async def _addresses(client: ApiClient) -> set[str]:
    return {
        item["spec"]["address"]
        async for page in client.list_pages(objects.VIRTUAL_IPS)
        for item in page.items
    }


async def _waiting(client: ApiClient) -> list[JsonObject]:
    return [
        item
        async for page in client.list_pages(objects.SERVICES)
        for item in page.items
        if item["spec"]["type"] == "LoadBalancer"
        and not item["status"].get("loadBalancer", {}).get("ingress")
    ]


async def _names(client: ApiClient, resource: Resource) -> list[str]:
    return [
        item["metadata"]["name"]
        async for page in client.list_pages(resource)
        for item in page.items
    ]


async def _run(given: argparse.Namespace) -> None:
    connection = read_connection(given.kubeconfig)
    async with ApiClient(connection) as client:
        held, waiting, _ = await asyncio.gather(
            _addresses(client), _waiting(client), _names(client, objects.ENDPOINT_SLICES)
        )
    first, nodes = ip_address(given.first), given.nodes.split(",")
    free = (text for place in range(2**32) if (text := str(first + place)) not in held)
    jobs = [assignment(service, next(free), given.pool, nodes) for service in waiting]
    await Sender(connection, CONNECTIONS).send_all(jobs)
    say(served=len(jobs), peak_mib=machine.peak_mebibytes(os.getpid()))


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--pool", required=True, help="key of the pool that VirtualIPs name")
    parser.add_argument("--first", required=True, help="the first address")
    parser.add_argument("--nodes", required=True, help="names, parted by commas")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
