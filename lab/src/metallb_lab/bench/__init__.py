"""The benchmarks: ours beside a peer or a limit, measured in the same run.

runner      the command line, one benchmark after the other
figures     a figure, its goal, its ratio          report     how it is shown
machine     load of the machine, CPU and memory of a process
F1          failover, keepalived
F7, POOL    throughput, dataset, rig, bare; supply, replicas and arrivals for these and the next
STREAM      stream, bare
RESTART     restart, barestart
F8          latency, asker, barechain
ALLOC       allocation
ADMIT       admission
F10, F11    placement, balance
BFD         bfd, relister
BGP-CODEC   bgp_codec
F5, FANOUT  bgp_table, bgp_senders, bgp_sender, bgp_sink
F4          bgp_failover, bgp_rig
ROUTE, DRAIN   bgp_routes, bgp_rig, http_asker
bodies      what the bare clients write            access     how they find the server
conversation   how measuring processes are spoken to
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run benchmarks; gives the exit code."""
    from metallb_lab.bench.runner import main as run  # measuring processes do not need it

    return run(argv)
