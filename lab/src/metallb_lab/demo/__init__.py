"""`metallb-lab demo`: the product's main job on this machine, in under a minute.

Builds a cluster of network namespaces, plays `metallb_lab.demo.script` on it, and ends with exit
code 0 only if all of it held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import images, preflight, tools
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.demo.background import Parent, run_apart
from metallb_lab.demo.module_script import ModuleDemo
from metallb_lab.demo.screen import Screen
from metallb_lab.demo.script import Demo
from metallb_lab.pods import module
from metallb_lab.pods.cluster import PodCluster
from metallb_lab.view import DeadlineError, LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    if lacking := preflight.missing(more=preflight.POD_COMMANDS if given.module else None):
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
    async with _cluster(given, screen) as cluster:
        demo = _script(cluster, screen)
        try:
            await demo.run()
        except (DeadlineError, LabError) as error:
            screen.check(False, f"the demo went to its end: {error}")
        code = _summary(demo, screen, given.json)
        if parent is not None:
            _tell_how_to_look(cluster, screen)
            parent.release(code, cluster.instance.directory / "logs" / "demo.log")
            await stop.wait()
    return code


def _cluster(given: argparse.Namespace, screen: Screen) -> Cluster:
    if given.module:
        return PodCluster(module.find_images(), given.nodes, say=screen.step)
    options = ClusterOptions(nodes=given.nodes, control_plane=given.control_plane)
    return Cluster(options, say=screen.step)


def _script(cluster: Cluster, screen: Screen) -> Demo:
    if isinstance(cluster, PodCluster):
        return ModuleDemo(cluster, screen)
    return Demo(cluster, screen)


def _summary(demo: Demo, screen: Screen, file: Path | None) -> int:
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


def _tell_how_to_look(cluster: Cluster, screen: Screen) -> None:
    name, home = cluster.instance.name, cluster.instance.directory
    kubeconfig = shlex.quote(str(cluster.plane.outside_kubeconfig))
    try:
        kubectl = shlex.quote(str(tools.find("kubectl")))
    except tools.ToolError:
        kubectl = "kubectl"
    address = next(iter(cluster.announcers()), "VIP")
    node = cluster.topology.nodes[0].name
    screen.heading(f"The cluster goes on running; its name is {name}. Look around:")
    screen.hint(f"export KUBECONFIG={kubeconfig}")
    screen.hint(f"{kubectl} get svc,vip,mlbc,nodes")
    screen.hint(f"{kubectl} describe vip {address.replace(':', '-')}")
    screen.hint(f"ip netns exec {name}-client curl -s http://{address}/")
    screen.hint(f"ip netns exec {name}-{node} tcpdump -ni eth0 arp or icmp6")
    screen.hint(f"tail -f {home}/logs/*.log")
    screen.hint(f"ip -n {name}-sw link set p-{node} down     # pull the cable of {node}")
    python = shlex.quote(sys.executable)
    screen.hint(f"{python} -m metallb_lab down {name}     # end it")
