"""keepalived on every node of a lab: VRRPv3 with adverts each 100 ms, one virtual address.

It needs `vrrp_version 3`: without it an interval of 0.1 s is taken as 1 s. The owner has the
highest priority, so it takes the address back when it returns, as a speaker does.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING

from metallb_lab.bench.benchmark import BenchmarkError
from metallb_lab.processes import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb_lab.cluster import Cluster

ADVERT_SECONDS = 0.1
ROUTER_ID = 51
HIGHEST_PRIORITY = 254


def configuration(address: str, priority: int) -> str:
    """Write the configuration of one node."""
    return f"""global_defs {{
  vrrp_version 3
}}
vrrp_instance bench {{
  state BACKUP
  interface eth0
  virtual_router_id {ROUTER_ID}
  priority {priority}
  advert_int {ADVERT_SECONDS}
  virtual_ipaddress {{
    {address}/32
  }}
}}
"""


def find() -> str | None:
    """Find keepalived."""
    return shutil.which("keepalived") or shutil.which("keepalived", path="/usr/sbin:/sbin")


def program() -> str:
    """Find keepalived; raises BenchmarkError."""
    found = find()
    if found is None:
        raise BenchmarkError("keepalived is not installed: apt-get install keepalived")
    return found


@contextlib.asynccontextmanager
async def running(cluster: Cluster, address: str, nodes: Sequence[str]) -> AsyncIterator[None]:
    """Run it on nodes; the first of them is to own the address."""
    processes: list[Process] = []
    try:
        for place, node in enumerate(nodes):
            process = _process(cluster, address, node, HIGHEST_PRIORITY - place)
            await process.start()
            processes.append(process)
        yield
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


def _process(cluster: Cluster, address: str, node: str, priority: int) -> Process:
    directory = cluster.instance.directory
    config = directory / f"keepalived-{node}.conf"
    config.write_text(configuration(address, priority))
    return Process(
        cluster.instance,
        f"keepalived-{node}",
        [
            *(program(), "--dont-fork", "--log-console", "--use-file", str(config)),
            *("--pid", str(directory / f"keepalived-{node}.pid")),
            *("--vrrp_pid", str(directory / f"keepalived-{node}-vrrp.pid")),
        ],
        namespace=cluster.topology.hosts[node].namespace,
    )
