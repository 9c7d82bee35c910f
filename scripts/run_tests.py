"""`make test`: everything that checks this project, in stages from quick to real.

    .venv/bin/python scripts/run_tests.py [--stages NAME,NAME…]

With no names all stages run, but for the long ones, which run when `CI` is set in the environment.
A stage that fails does not keep the others from running, except those that need its result; so one
run shows all that is wrong. The last line counts the tests of all stages. A test that was skipped
fails its stage when we are root: everything can run then, and what does not run proves nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pure_packages import PURE_PACKAGES
from setup import ROOT
from stages import Counts, in_words, read_counts, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OUTPUT = ROOT / "out" / "tests"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=15")
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")
"""Side by side, the files in the order of the collection."""
CHURN = ("--services", "300", "--seconds", "600", "--seed", "5")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the whole: its command, and the stages without which it makes no sense."""

    name: str
    what: str
    command: tuple[str, ...]
    limit_seconds: float
    needs: tuple[str, ...] = ()
    junit: tuple[Path, ...] = ()
    is_long: bool = False


@dataclass(slots=True)
class Outcome:
    """How a stage ended; `verdict` is one word or few."""

    stage: Stage
    verdict: str
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)

    @property
    def is_ok(self) -> bool:
        """Whether the stage holds."""
        return self.verdict == "ok"


def pytest_stage(
    name: str, what: str, limit_seconds: float, *arguments: str, needs: tuple[str, ...] = ()
) -> Stage:
    """Make a stage that runs pytest."""
    junit = OUTPUT / f"{name}.xml"
    command = (*PYTEST, f"--junit-xml={junit}", *arguments)
    return Stage(name, what, command, limit_seconds, needs, (junit,))


def all_stages() -> list[Stage]:
    """List the stages in their order."""
    elsewhere = tuple(f"--ignore={tests}" for tests in ("tests/meta", *PURE_PACKAGES.values()))
    pure_counts = tuple(ROOT / f"out/coverage/{name}.xml" for name in PURE_PACKAGES)
    return [
        Stage("check", "what `make check` says", (sys.executable, "scripts/run_checks.py"), 900),
        Stage(
            "pure", "each pure package by its own tests, branch coverage 100 %",
            (sys.executable, "scripts/coverage_gate.py"), 1800, junit=pure_counts,
        ),
        Stage(
            "tools", "the real Kubernetes programs, built if they are missing",
            (sys.executable, "-m", "metallb_lab.tools", "build"), 2400,
        ),
        pytest_stage(
            "unit", "the other tests without namespaces; one suite against both API servers", 1800,
            *("-n", "4", "--dist", "loadgroup", "-m", "contract or not netns and not real"),
            *elsewhere, "tests", needs=("tools",),
        ),
        Stage(
            "images", "the images of the module, built if what they are made of has changed",
            (sys.executable, "-m", "metallb_lab.images", "build"), 1800, needs=("tools",),
        ),
        pytest_stage(
            "programs", "real programs: API server, Helm, jq, promtool, a browser", 2400,
            *("-n", "3", *BY_FILE, "-m", "real and not netns and not contract"), *elsewhere,
            "tests", needs=("tools", "images"),
        ),
        pytest_stage(
            "netns", "real packets in network namespaces, pods, end to end", 2400,
            *("-n", "2", *BY_FILE, "-m", "netns and not alone"), *elsewhere, "tests",
            needs=("tools", "images"),
        ),
        pytest_stage(
            "alone", "those of them that are about what a client notices", 1800,
            *("-m", "netns and alone"), *elsewhere, "tests", needs=("tools", "images"),
        ),
        Stage(
            "churn", "ten minutes of changes and kills on the real API server, all of it judged",
            (sys.executable, "-m", "metallb_lab", "churn", *CHURN), 1200, needs=("tools",),
            is_long=True,
        ),
    ]  # fmt: skip


def carry_out(stage: Stage, ended: dict[str, Outcome]) -> Outcome:
    """Run a stage, unless one that it needs has failed."""
    if lost := [name for name in stage.needs if name in ended and not ended[name].is_ok]:
        return Outcome(stage, f"not run, for {', '.join(lost)} failed")
    for path in stage.junit:
        path.unlink(missing_ok=True)
    code, seconds = run(stage.name, stage.command, limit_seconds=stage.limit_seconds)
    counts = sum((read_counts(path) for path in stage.junit), Counts())
    return Outcome(stage, verdict(code, counts, has_tests=bool(stage.junit)), seconds, counts)


def verdict(code: int, counts: Counts, *, has_tests: bool, is_root: bool | None = None) -> str:
    """Judge a stage by its exit code and its tests."""
    is_root = os.geteuid() == 0 if is_root is None else is_root
    if code:
        return f"FAILED (exit code {code})"
    if has_tests and not counts.passed:
        return "FAILED (no test ran)"
    if counts.skipped and is_root:
        return f"FAILED ({counts.skipped} skipped, though root can run all)"
    return "ok"


def chosen_stages(names: str | None) -> list[Stage]:
    """Pick stages by name; raises ValueError naming those that do not exist."""
    stages = all_stages()
    if not names:
        is_ci = bool(os.environ.get("CI"))
        return [stage for stage in stages if is_ci or not stage.is_long]
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [stage.name for stage in stages]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"no stage {', '.join(unknown)}; there are {', '.join(known)}")
    return [stage for stage in stages if stage.name in wanted]


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Sum up all stages; the last line counts the tests."""
    lines = ["", f"All stages, {in_words(seconds)}:"]
    for item in outcomes:
        tests = str(item.counts) if item.stage.junit else ""
        took = in_words(item.seconds)
        lines.append(f"  {item.stage.name:10}{took:>13}  {item.verdict:8} {tests}".rstrip())
    lines.append(str(sum((item.counts for item in outcomes), Counts())))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the stages; gives the exit code."""
    parser = argparse.ArgumentParser(prog="run_tests.py", description=__doc__)
    parser.add_argument("--stages", help="names with commas between them; all by default")
    try:
        stages = chosen_stages(parser.parse_args(arguments).stages)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    os.chdir(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles all tests anew
    os.environ.setdefault("GOGC", "400")  # Kubernetes' programs may take memory to save time
    OUTPUT.mkdir(parents=True, exist_ok=True)
    started_at = time.monotonic()
    ended: dict[str, Outcome] = {}
    for number, stage in enumerate(stages, 1):
        print(f"\n==== {number}/{len(stages)} {stage.name}: {stage.what}", flush=True)
        outcome = ended[stage.name] = carry_out(stage, ended)
        print(f"==== {stage.name}: {outcome.verdict}, {in_words(outcome.seconds)}", flush=True)
    print(summary(list(ended.values()), time.monotonic() - started_at), flush=True)
    return 0 if all(item.is_ok for item in ended.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
