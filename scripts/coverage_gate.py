"""Runs the own tests of each pure package under branch coverage, and fails below 100 %.

    .venv/bin/python scripts/coverage_gate.py [PACKAGE…]

Own tests only: what a test of the whole happens to pass through is not tested by it. Two packages
run side by side, each with a data file of its own. A package whose tests fail fails the gate too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from pure_packages import PURE_PACKAGES
from setup import ROOT
from stages import Counts, in_words, read_counts

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = ROOT / "out" / "coverage"
LIMIT_SECONDS = 900
SIDE_BY_SIDE = 2


def junit_of(package: str) -> Path:
    """Where the tests of a package leave their counts."""
    return OUTPUT / f"{package}.xml"


def measure(package: str, tests: str) -> tuple[bool, str]:
    """Run the tests of one package; tells whether all of it is covered, and what was said."""
    environment = {**os.environ, "COVERAGE_FILE": str(OUTPUT / f"{package}.data")}
    coverage = [sys.executable, "-m", "coverage"]
    pytest = ["pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={junit_of(package)}", tests]
    steps = [
        [*coverage, "run", "--branch", f"--source={package}", "-m", *pytest],
        [*coverage, "report", "--fail-under=100"],
    ]
    words = ""
    for step in steps:
        try:
            done = subprocess.run(
                step, cwd=ROOT, env=environment, capture_output=True, text=True,
                timeout=LIMIT_SECONDS, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, f"{words}\nended at its limit of {LIMIT_SECONDS} s"
        words += done.stdout + done.stderr
        if done.returncode:
            return False, words
    return True, words


def gate(packages: dict[str, str]) -> tuple[list[str], Counts]:
    """Measure the packages, two at a time; gives those that fail, and the counts of tests."""
    failed: list[str] = []
    counts = Counts()
    started_at = time.monotonic()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = {pool.submit(measure, name, tests): name for name, tests in packages.items()}
        for done in as_completed(running):
            name = running[done]
            is_covered, words = done.result()
            found = read_counts(junit_of(name))
            counts += found
            verdict = "100 %" if is_covered else "FAILED"
            took = in_words(time.monotonic() - started_at)
            print(f"[pure] {name:30} {verdict:7} {found}, after {took}", flush=True)
            if not is_covered:
                failed.append(name)
                print(words, flush=True)
    return failed, counts


def main(arguments: list[str]) -> int:
    """Run the gate for all packages or those named; gives the exit code."""
    if unknown := set(arguments) - set(PURE_PACKAGES):
        print(f"no pure package {', '.join(unknown)}; there are {', '.join(PURE_PACKAGES)}")
        return 2
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name in arguments or PURE_PACKAGES:
        junit_of(name).unlink(missing_ok=True)
    failed, counts = gate({name: PURE_PACKAGES[name] for name in arguments or PURE_PACKAGES})
    verdict = f"below 100 %: {', '.join(failed)}" if failed else "all covered by their own tests"
    print(f"[pure] {verdict}; {counts}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
