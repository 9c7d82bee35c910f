"""Runs benchmarks and reports them; the command line of `make bench`.

    python -m metallb_lab bench [--only F7,F8] [--json FILE] [--strict] [--small] [--seconds N]

Each benchmark runs in an event loop of its own, and one that cannot run does not keep the others
from it. Exit code: 0 when all could run, whatever their figures (with `--strict`: when all goals
are met too), 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import preflight
from metallb_lab.bench import (
    admission,
    allocation,
    balance,
    bfd,
    bgp_codec,
    bgp_failover,
    bgp_routes,
    bgp_table,
    bgp_withdraw,
    failover,
    hooks,
    latency,
    machine,
    placement,
    report,
    restart,
    stream,
    throughput,
)
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError, Context
from metallb_lab.netns import CommandError
from metallb_lab.processes import ProcessError
from metallb_lab.realserver import RealServerError
from metallb_lab.routers.model import RouterError
from metallb_lab.tools import ToolError
from metallb_lab.view import DeadlineError, LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metallb_lab.bench.figures import Figure

BENCHMARKS = (
    allocation.BENCHMARK,
    placement.BENCHMARK,
    balance.BENCHMARK,
    bgp_codec.BENCHMARK,
    hooks.BENCHMARK,
    admission.BENCHMARK,
    bgp_table.TABLE_BENCHMARK,
    bgp_table.FANOUT_BENCHMARK,
    bgp_routes.ROUTE_BENCHMARK,
    bgp_routes.DRAIN_BENCHMARK,
    bgp_withdraw.BENCHMARK,
    failover.BENCHMARK,
    bgp_failover.BENCHMARK,
    latency.BENCHMARK,
    restart.BENCHMARK,
    throughput.BENCHMARK,
    throughput.POOL_BENCHMARK,
    stream.BENCHMARK,
    bfd.BENCHMARK,
)
"""In the order in which they run: short ones first."""
EXPECTED = (
    BenchmarkError, CommandError, DeadlineError, LabError, ProcessError, RealServerError,
    RouterError, ToolError,
)  # fmt: skip
"""What a benchmark raises when it cannot run; anything else is shown with its traceback."""


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; exits with a message when it is wrong."""
    parser = argparse.ArgumentParser(prog="metallb_lab bench", description=__doc__.split("\n")[0])
    known = [item.id for item in BENCHMARKS]
    parser.add_argument(
        "--only", metavar="F7,F8", default="", help=f"some of {', '.join(sorted(known))}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a goal is not met")
    parser.add_argument(
        "--small",
        action="store_true",
        help="a tiny part of the work, to see that it works; such figures mean nothing",
    )
    parser.add_argument("--seconds", type=float, help="how long to watch (BFD)")
    given = parser.parse_args(argv)
    given.only = [word.strip().upper() for word in given.only.split(",") if word.strip()]
    if unknown := sorted(set(given.only) - set(known)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    if given.json is not None and not given.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no directory {given.json.absolute().parent}")
    return given


def main(argv: Sequence[str] | None = None) -> int:
    """Run benchmarks; gives the exit code."""
    given = read_arguments(argv)
    chosen = [item for item in BENCHMARKS if not given.only or item.id in given.only]
    print(f"Benchmarks on {machine.describe()}")
    figures: list[Figure] = []
    failed: list[str] = []
    try:
        for item in chosen:
            found = run_one(item, is_small=given.small, seconds=given.seconds)
            if found is None:
                failed.append(item.id)
            figures += found or []
    except KeyboardInterrupt:
        failed.append("what was interrupted, and what was to follow")
    show_all(figures, given.json)
    if failed:
        print(f"\ncould not run: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed) or (given.strict and not all(item.is_met for item in figures)))


def show_all(figures: Sequence[Figure], path: Path | None) -> None:
    """Print the table of all figures, and write them to a file if one is given."""
    if figures:
        print(f"\n{report.table(figures)}", flush=True)
    if path is not None:
        path.write_text(json.dumps([item.to_object() for item in figures], indent=2) + "\n")


def run_one(
    benchmark: Benchmark, *, is_small: bool, seconds: float | None = None
) -> list[Figure] | None:
    """Run one benchmark and show its figures; None when it could not run."""
    print(f"\n{benchmark.id} {benchmark.title}", flush=True)
    context = Context(say=sayer(benchmark.id, time.monotonic), is_small=is_small, seconds=seconds)
    try:
        if benchmark.needs_lab and (lacking := preflight.missing()):
            raise BenchmarkError("\n".join(["this machine lacks", *map(str, lacking)]))
        figures = asyncio.run(watched(benchmark, context))
    except EXPECTED as error:
        print(f"{benchmark.id} could not run: {error}", file=sys.stderr, flush=True)
        return None
    except Exception:
        print(f"{benchmark.id} could not run:", file=sys.stderr)
        traceback.print_exc()
        return None
    for item in figures:
        print(report.block(item), flush=True)
    return figures


async def watched(benchmark: Benchmark, context: Context) -> list[Figure]:
    """Measure, and tell how busy the machine was before and after."""
    context.say(f"before: {machine.load_text(await machine.others_share())}")
    figures = await benchmark.measure(context)
    context.say(f"after: {machine.load_text(await machine.others_share())}")
    return figures


def sayer(name: str, clock: Callable[[], float]) -> Callable[[str], None]:
    """Make what prints progress, with the time since now."""
    began_at = clock()

    def say(text: str) -> None:
        print(f"[{name} {clock() - began_at:6.1f} s] {text}", flush=True)

    return say
