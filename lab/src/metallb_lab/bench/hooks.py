"""HOOK: how long a run of each hook of the module takes, start of the interpreter included.

Each hook is run as the module operator runs it, on a cluster of 100 nodes and 1 000 Services of
ten classes, put through the hook's own filters. One value is the median of one hook's runs, so the
worst value is that of the slowest hook. The limit beside it: the same interpreter, that reads and
writes JSON and ends.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from metallb_lab import tools
from metallb_lab.bench.benchmark import Benchmark
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series
from metallb_lab.operator.hook_files import hook_paths, interpreter_for, register, run_process
from metallb_lab.operator.hook_runs import Inputs, run_hook
from metallb_lab.operator.jq import Jq

if TYPE_CHECKING:
    from metallb_lab.bench.benchmark import Context
    from metallb_lab.operator.hook_files import Hook, Interpreter

ROOT = Path(__file__).parents[4]
RUNS, FEW_RUNS = 11, 2
NODES, SERVICES, CLASSES = 100, 1000, 10
GOAL = Goal(worst_at_most=0.5)
BARE = "import json, sys; json.dump(json.loads('{}'), sys.stdout)"
VALUES: dict[str, Any] = {"global": {"discovery": {"clusterDomain": "x"}}, "metallb": {}}


def objects(kind: str) -> list[dict[str, Any]]:
    """Make what the cluster has of a kind."""
    counts = {"Node": NODES, "Service": SERVICES, "MetalLoadBalancerClass": CLASSES}
    return [
        {
            "kind": kind,
            "metadata": {
                "name": f"object-{index}",
                "namespace": "default",
                "uid": f"uid-{index}",
                "labels": {"rack": str(index % 10)},
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "type": "LoadBalancer" if kind == "Service" else "L2",
                "nodeSelector": {"rack": str(index % 10)},
                "addressPool": [f"10.0.{index}.0/24"],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": f"10.0.0.{index % 250 + 1}"}]}},
        }
        for index in range(counts.get(kind, 0))
    ]


async def inputs_for(hook: Hook, jq: Jq) -> Inputs:
    """Make what the operator gives a hook before Helm, or for an event."""
    snapshots = {
        binding.name: [
            {"filterResult": result}
            for result in await jq.filter(binding.jq, objects(binding.kind))
        ]
        for binding in hook.config.kubernetes
    }
    return Inputs([{"binding": "beforeHelm", "snapshots": snapshots}], VALUES, {"global": {}})


async def seconds_of(hook: Hook, interpreter: Interpreter, inputs: Inputs, runs: int) -> float:
    """Give the median of a hook's runs."""
    found = []
    for _ in range(runs):
        started_at = time.monotonic()
        await run_hook(hook, interpreter, inputs)
        found.append(time.monotonic() - started_at)
    return median(found)


async def bare_seconds(interpreter: Interpreter) -> float:
    """Start the interpreter for next to nothing."""
    started_at = time.monotonic()
    command = [sys.executable, "-c", BARE]
    await run_process(command, interpreter.directory, interpreter.environment, 60.0)
    return time.monotonic() - started_at


async def measure(context: Context) -> list[Figure]:
    """Measure all hooks."""
    runs = FEW_RUNS if context.is_small else RUNS
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    jq = Jq(tools.find("gojq"))
    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hooks-") as directory:
        interpreter = interpreter_for(ROOT, Path(directory), {**os.environ, "PATH": search})
        for path in hook_paths(ROOT):
            hook = await register(path, ROOT, interpreter)
            inputs = await inputs_for(hook, jq)
            medians[path.stem] = await seconds_of(hook, interpreter, inputs, runs)
            context.say(f"{path.stem}: {medians[path.stem]:.2f} s")
        bare = [await bare_seconds(interpreter) for _ in range(runs)]
    slowest = max(medians, key=lambda name: medians[name])
    return [
        Figure(
            id="HOOK",
            work=f"one run of a hook, {NODES} nodes, {SERVICES} Services; {len(medians)} hooks",
            unit="s",
            ours=Series(tuple(medians.values())),
            peer=Peer("a bare interpreter", Series(tuple(bare)), PeerKind.LIMIT),
            goal=GOAL,
            notes=(f"the slowest is {slowest}",),
        )
    ]


BENCHMARK = Benchmark("HOOK", "hooks of the module", measure, needs_lab=False)
