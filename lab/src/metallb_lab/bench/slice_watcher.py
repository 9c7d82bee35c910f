"""The bare watcher of WITHDRAW: a client that watches EndpointSlices and tells when it saw what.

    python -m metallb_lab.bench.slice_watcher --kubeconfig FILE

Says {"watching": true} when its watch is open, then for each event {"slice": NAME, "at": T}, T on
CLOCK_MONOTONIC.
"""

from __future__ import annotations

import argparse
import time

import uvloop

from metallb.kube.client import ApiClient
from metallb_lab import objects
from metallb_lab.bench.access import events, read_connection
from metallb_lab.bench.conversation import say


async def _watch(kubeconfig: str) -> None:
    async with ApiClient(read_connection(kubeconfig)) as client:
        async for _, found in events(client, objects.ENDPOINT_SLICES):
            say(slice=found["metadata"]["name"], at=time.monotonic())


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    uvloop.run(_watch(parser.parse_args().kubeconfig))


if __name__ == "__main__":
    main()
