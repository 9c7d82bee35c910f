"""The runner: its command line, its exit codes, and that one failure leaves the rest alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from metallb_lab import preflight
from metallb_lab.bench import machine, runner
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, Series

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from metallb_lab.bench.benchmark import Context


def gives(identity: str, *, goal: float) -> Benchmark:
    async def measure(context: Context) -> list[Figure]:
        context.say("half-way")
        series = Series((5.0,))
        return [Figure(identity, "work", "ms", series, Peer("p", series), Goal(goal))]

    return Benchmark(identity, "title", measure, needs_lab=False)


def fails(identity: str, error: BaseException) -> Benchmark:
    async def measure(context: Context) -> list[Figure]:
        raise error

    return Benchmark(identity, "title", measure, needs_lab=False)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def share(seconds: float = 0.0) -> float:
        return 0.02

    waits: Callable[[float], Awaitable[float]] = share
    monkeypatch.setattr(machine, "others_share", waits)


def choose(monkeypatch: pytest.MonkeyPatch, *benchmarks: Benchmark) -> None:
    monkeypatch.setattr(runner, "BENCHMARKS", benchmarks)


def test_all_are_there() -> None:
    assert {item.id for item in runner.BENCHMARKS} == {
        "ADMIT", "ALLOC", "BFD", "BGP-CODEC", "DRAIN", "F1", "F4", "F5", "F7", "F8", "F10", "F11",
        "FANOUT", "HOOK", "POOL", "RESTART", "ROUTE", "STREAM", "WITHDRAW",
    }  # fmt: skip


def test_figures_are_printed_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, gives("F1", goal=9), gives("F2", goal=1))
    assert runner.main(["--json", str(tmp_path / "figures.json")]) == 0
    rows = json.loads((tmp_path / "figures.json").read_text())
    assert [(row["id"], row["met"]) for row in rows] == [("F1", True), ("F2", False)]
    printed = capsys.readouterr().out
    assert "s] half-way" in printed
    assert "s] before: 2% of the processors" in printed
    assert "goal   median <= 1 ms: NOT MET" in printed


def test_an_unmet_goal_fails_only_when_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, gives("F1", goal=1))
    assert runner.main([]) == 0
    assert runner.main(["--strict"]) == 1
    choose(monkeypatch, gives("F1", goal=9))
    assert runner.main(["--strict"]) == 0


@pytest.mark.parametrize("error", [BenchmarkError("no such wire"), ValueError("a bug")])
def test_one_that_cannot_run_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    choose(monkeypatch, fails("F1", error), gives("F2", goal=9))
    assert runner.main([]) == 1
    printed = capsys.readouterr()
    assert str(error) in printed.err
    assert ("Traceback" in printed.err) is isinstance(error, ValueError)
    assert "could not run: F1" in printed.err
    assert "F2  work" in printed.out


def test_what_was_measured_before_an_interrupt_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, gives("F1", goal=9), fails("F2", KeyboardInterrupt()))
    assert runner.main([]) == 1
    printed = capsys.readouterr()
    assert "F1  work" in printed.out
    assert "interrupted" in printed.err


def test_some_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, gives("F1", goal=9), gives("F2", goal=9), gives("F3", goal=9))
    assert runner.main(["--only", "f1, F3"]) == 0
    printed = capsys.readouterr().out
    assert "F1  work" in printed
    assert "F2  work" not in printed
    assert "F3  work" in printed


def test_an_unknown_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        runner.main(["--only", "F7,F99"])
    assert stopped.value.code == 2
    known = ", ".join(sorted(item.id for item in runner.BENCHMARKS))
    assert f"no benchmark F99; there are {known}" in capsys.readouterr().err


def test_where_the_json_is_to_go_is_looked_at_before_hours_of_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        runner.main(["--json", str(tmp_path / "nowhere" / "figures.json")])
    assert f"there is no directory {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_what_the_machine_lacks_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = preflight.Missing("root", "namespaces need it", "run it with sudo")
    monkeypatch.setattr(preflight, "missing", lambda: [lacking])
    measure = gives("F1", goal=9).measure
    choose(monkeypatch, Benchmark("F1", "title", measure), gives("F2", goal=9))
    assert runner.main([]) == 1
    printed = capsys.readouterr()
    assert "root: namespaces need it; run it with sudo" in printed.err
    assert "F2  work" in printed.out
