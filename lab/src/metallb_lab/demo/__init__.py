"""`metallb-lab demo`: the product's main job on this machine, in under a minute.

Builds a cluster of network namespaces, plays one of the scripts on it (`script` in L2 mode,
`module_script` with the module, `bgp_script` in BGP mode with two routers beside the cluster), and
ends with exit code 0 only if all of it held.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import images, preflight, tools
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.demo import bgp_site, look
from metallb_lab.demo.background import Parent, run_apart
from metallb_lab.demo.bgp_script import BgpDemo
from metallb_lab.demo.module_script import ModuleDemo
from metallb_lab.demo.screen import Screen
from metallb_lab.demo.script import Demo
from metallb_lab.fabric import BIRD_ASN, FRR_ASN, Fabric, FabricOptions
from metallb_lab.pods import module
from metallb_lab.pods.cluster import PodCluster
from metallb_lab.routers.model import RouterError
from metallb_lab.view import DeadlineError, LabError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metallb_lab.demo.play import Play

REAL_TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")
MODULE_TOOLS = (*REAL_TOOLS, "kube-scheduler", "kube-rbac-proxy", "helm", "gojq")
MOST_NODES = 50
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="metallb-lab demo", description="the main job on this machine, in under a minute"
    )
    made.add_argument(
        "--mode", choices=["l2", "bgp"], default="l2",
        help="announce by ARP and NDP, or by BGP to BIRD and FRR",
    )  # fmt: skip
    made.add_argument(
        "--control-plane", choices=["embedded", "real"], default="embedded",
        help="the lab's own API server, or kube-apiserver with etcd and kube-proxy",
    )  # fmt: skip
    made.add_argument(
        "--module", action="store_true",
        help="install the module: its operator, Helm, pods from its images; the real API server",
    )  # fmt: skip
    made.add_argument("--nodes", type=int, default=3, help=f"2 to {MOST_NODES}, 3 if not said")
    made.add_argument("--keep", action="store_true", help="leave the cluster running")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the demo; gives the exit code."""
    made = parser()
    given = made.parse_args(arguments)
    if not 2 <= given.nodes <= MOST_NODES:
        made.error(f"--nodes {given.nodes}: from 2 to {MOST_NODES}, or no node could take over")
    if given.module and given.mode == "bgp":
        made.error("--module plays in L2 mode; --mode bgp is without it")
    if lacking := preflight.missing(more=_commands(given)):
        print("The demo cannot run here. Missing:", file=sys.stderr)
        for item in lacking:
            print(f"  {item}", file=sys.stderr)
        return 1
    try:
        _build(given)
    except (tools.ToolError, images.ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.keep:
        return run_apart(lambda parent: _run(given, parent))
    return _run(given, None)


def _commands(given: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Give what is wanted of the machine beside what any lab wants."""
    pods = preflight.POD_COMMANDS if given.module else {}
    return {**pods, **(preflight.ROUTER_COMMANDS if given.mode == "bgp" else {})}


def _build(given: argparse.Namespace) -> None:
    """Build what is missing of tools and images; raises ToolError and ImageError."""

    def say(text: str) -> None:
        print(text, flush=True)

    if given.module or given.control_plane == "real":
        for name in MODULE_TOOLS if given.module else REAL_TOOLS:
            tools.ensure(name, say)
    if given.module:
        for name in module.IMAGES:
            images.ensure(name, say)


def _run(given: argparse.Namespace, parent: Parent | None) -> int:
    return asyncio.run(_play(given, parent))


async def _play(given: argparse.Namespace, parent: Parent | None) -> int:
    screen = Screen()
    stop = _stop_on_signals()
    playing = asyncio.create_task(_demo(given, screen, parent, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not playing.done() and not (parent and parent.is_released):
        playing.cancel()
    stopping.cancel()
    try:
        return await playing
    except asyncio.CancelledError:
        print("\nstopped; the cluster is cleared away", flush=True)
        return INTERRUPTED


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _demo(
    given: argparse.Namespace, screen: Screen, parent: Parent | None, stop: asyncio.Event
) -> int:
    screen.heading("A bare-metal cluster on this machine")
    async with _cluster(given, screen) as cluster, _fabric(given, cluster, screen) as fabric:
        demo = _script(cluster, fabric, screen)
        try:
            await demo.run()
        except (DeadlineError, LabError, RouterError, TimeoutError) as error:
            screen.check(False, f"the demo went to its end: {error}")
        code = _summary(demo, screen, given.json)
        if parent is not None:
            look.tell(cluster, fabric, screen)
            parent.release(code, cluster.instance.directory / "logs" / "demo.log")
            await stop.wait()
    return code


def _cluster(given: argparse.Namespace, screen: Screen) -> Cluster:
    if given.module:
        return PodCluster(module.find_images(), given.nodes, say=screen.step)
    options = ClusterOptions(nodes=given.nodes, control_plane=given.control_plane)
    return Cluster(options, say=screen.step)


@contextlib.asynccontextmanager
async def _fabric(
    given: argparse.Namespace, cluster: Cluster, screen: Screen
) -> AsyncIterator[Fabric | None]:
    if given.mode != "bgp":
        yield None
        return
    options = FabricOptions(
        password=bgp_site.PASSWORD,
        bfd_milliseconds=bgp_site.BFD_MILLISECONDS,
        bfd_multiplier=bgp_site.BFD_MULTIPLIER,
    )
    async with Fabric(cluster, options) as fabric:
        screen.step(f"BIRD (AS {BIRD_ASN}) and FRR (AS {FRR_ASN}), and a client behind each")
        yield fabric


def _script(cluster: Cluster, fabric: Fabric | None, screen: Screen) -> Play:
    if fabric is not None:
        return BgpDemo(cluster, fabric, screen)
    if isinstance(cluster, PodCluster):
        return ModuleDemo(cluster, screen)
    return Demo(cluster, screen)


def _summary(demo: Play, screen: Screen, file: Path | None) -> int:
    figures = demo.figures
    figures.failures = list(screen.failures)
    figures.seconds = round(screen.seconds, 1)
    screen.heading("Summary")
    screen.step(f"{figures.nodes} nodes, {figures.control_plane} API server")
    for step, seconds in figures.module_seconds.items():
        screen.step(f"{step}: {seconds} s")
    if figures.failures:
        screen.check(False, f"{len(figures.failures)} things did not hold, see above")
    else:
        screen.check(True, "all of it held")
    if file is not None:
        file.write_text(json.dumps(figures.to_json(), indent=2) + "\n")
        screen.step(f"figures: {file}")
    return 1 if figures.failures else 0
