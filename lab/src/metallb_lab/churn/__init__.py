"""`metallb-lab churn`: Services and pools change for a while, controllers are killed, and every
change is judged.

    python -m metallb_lab churn [--services N] [--seconds S] [--seed X] [--workers W] [--log FILE]

run         from the first object to the last word     storm       who does what, at once
actions     what is done, by the seed                  follow      watches without a gap
history     what must hold at every moment             agreement   what must hold at rest

Exit code: 0 when all held, 1 when something was wrong or it could not run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab.churn.follow import GapError
from metallb_lab.churn.run import Options, Report, churn
from metallb_lab.processes import ProcessError
from metallb_lab.realserver import RealServerError
from metallb_lab.tools import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Options", "Report", "churn", "main", "read_arguments"]


def read_arguments(argv: Sequence[str] | None) -> Options:
    """Read the command line; exits with a message when it is wrong."""
    parser = argparse.ArgumentParser(prog="metallb_lab churn", description=__doc__.split("\n\n")[0])
    parser.add_argument("--services", type=int, default=200, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), metavar="X")
    parser.add_argument("--workers", type=int, default=8, metavar="W")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write each action there")
    given = parser.parse_args(argv)
    if given.services < 1 or given.workers < 1 or given.seconds < 0:
        parser.error("--services and --workers must be at least 1, --seconds not below 0")
    if given.log is not None and not given.log.absolute().parent.is_dir():
        parser.error(f"--log: there is no directory {given.log.absolute().parent}")
    return Options(given.services, given.seconds, given.seed, given.workers, given.log)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    options = read_arguments(argv)
    began_at = time.monotonic()

    def say(text: str) -> None:
        print(f"[churn {time.monotonic() - began_at:6.1f} s] {text}", flush=True)

    again = f"--services {options.services} --seed {options.seed} --workers {options.workers}"
    say(f"the same actions again: {again}")
    report = None
    try:
        report = asyncio.run(churn(options, say))
    except* (GapError, ProcessError, RealServerError, ToolError) as group:
        for error in group.exceptions:
            print(f"churn could not run: {error}", file=sys.stderr)
    if report is None:
        return 1
    print(report.text())
    return int(bool(report.wrong))
