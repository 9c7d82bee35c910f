"""`make check`: all that can be said about the tree without running the product.

Each step prints its name, how it ended and how long it took; the words of a step are shown only
when it fails. All steps run, two side by side, so that one look shows everything that is wrong.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from setup import ENVIRONMENT, ROOT, find_uv
from stages import in_words, run

LIMIT_SECONDS = 600.0
SIDE_BY_SIDE = 2
SOURCES = ("lib/python/src", "images/controller/src", "images/speaker/src", "lab/src", "hooks")
PROSE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "docs", "crds", "scripts")


@dataclass(frozen=True, slots=True)
class Check:
    """One step."""

    name: str
    command: tuple[str, ...]


def program(name: str) -> str:
    """Name a program of the environment."""
    return str(ENVIRONMENT / "bin" / name)


def checks() -> list[Check]:
    """List the steps; the longest goes first, beside all the others."""
    python = program("python")
    tests = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/meta")
    found = [
        Check("types", (program("mypy"), *SOURCES, "scripts", "tests")),
        Check("lint", (program("ruff"), "check", ".")),
        Check("format", (program("ruff"), "format", "--check", ".")),
        Check("spelling", (program("codespell"), *PROSE, *SOURCES, "tests")),
        Check("imports", (program("lint-imports"), "--no-cache")),
        Check("lock", (find_uv() or "uv", "lock", "--check", "--offline")),
        Check("tree", tests),
    ]
    return [check for check in found if shutil.which(check.command[0]) or check.name != "lock"]


def carry_out(check: Check) -> tuple[int, float]:
    """Run a step; gives its exit code and the seconds it took."""
    return run(check.name, check.command, limit_seconds=LIMIT_SECONDS, is_quiet=True)


def main() -> int:
    """Run all checks; gives the exit code."""
    os.chdir(ROOT)
    started_at = time.monotonic()
    failed = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = {pool.submit(carry_out, check): check for check in checks()}
        for done in as_completed(running):
            check, (code, seconds) = running[done], done.result()
            if code:
                failed.append(check.name)
                print(f"       the command was: {' '.join(check.command)}")
            verdict = "FAILED" if code else "ok"
            print(f"[check] {check.name:10} {verdict:7} {in_words(seconds):>8}", flush=True)
    took = in_words(time.monotonic() - started_at)
    verdict = f"failed: {', '.join(failed)}" if failed else "all is well"
    print(f"[check] {verdict}, {took}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
