"""Stages: which run, how they are judged, what the last line says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import run_tests
from meta.tree import ROOT
from metallb_lab import churn
from pure_packages import PURE_PACKAGES
from run_tests import Outcome, Stage
from stages import Counts

if TYPE_CHECKING:
    from pathlib import Path

CLOSING = re.compile(r"\d+ passed, \d+ failed(, \d+ skipped)?")


def stage(
    name: str, *command: str, needs: tuple[str, ...] = (), junit: Path | None = None
) -> Stage:
    return Stage(name, "a test", command, 60, needs, (junit,) if junit else ())


@pytest.mark.parametrize(
    ("code", "counts", "has_tests", "is_root", "word"),
    [
        (0, Counts(1), True, True, "ok"),
        (0, Counts(), False, True, "ok"),
        (1, Counts(1), True, True, "FAILED (exit code 1)"),
        (0, Counts(), True, True, "FAILED (no test ran)"),
        (0, Counts(1, 0, 1), True, True, "FAILED (1 skipped, though root can run all)"),
        (0, Counts(1, 0, 1), True, False, "ok"),
    ],
)
def test_a_stage_is_judged(
    code: int, counts: Counts, has_tests: bool, is_root: bool, word: str
) -> None:
    assert run_tests.verdict(code, counts, has_tests=has_tests, is_root=is_root) == word


def test_all_stages_run_by_default_and_some_by_choice_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    names = ["check", "pure", "tools", "unit", "images", "programs", "netns", "alone"]
    assert [item.name for item in run_tests.chosen_stages(None)] == names
    assert [item.name for item in run_tests.chosen_stages("netns, unit")] == ["unit", "netns"]


def test_long_stages_run_where_ci_is_set_and_where_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "true")
    every = [item.name for item in run_tests.all_stages()]
    assert [item.name for item in run_tests.chosen_stages(None)] == every
    assert every[-1] == "churn"
    monkeypatch.setenv("CI", "")
    assert "churn" not in [item.name for item in run_tests.chosen_stages(None)]
    assert [item.name for item in run_tests.chosen_stages("churn")] == ["churn"]


def test_churn_is_asked_for_what_it_understands_and_has_time_for_it() -> None:
    (stage,) = run_tests.chosen_stages("churn")
    assert stage.command[1:4] == ("-m", "metallb_lab", "churn")
    options = churn.read_arguments(stage.command[4:])
    assert options.seconds >= 600
    assert stage.limit_seconds > options.seconds + 2 * options.rest_seconds + 60


def test_a_stage_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main(["--stages", "unit,nonsense"]) == 2
    assert "no stage nonsense" in capsys.readouterr().err


def test_every_directory_of_tests_is_in_one_stage() -> None:
    """Four stages share all of `tests`, but for what `check` and `pure` run whole."""
    by_name = {item.name: item.command for item in run_tests.all_stages()}
    marks = {}
    for name in ("unit", "programs", "netns", "alone"):
        command = by_name[name]
        ignored = {word.removeprefix("--ignore=") for word in command if "--ignore" in word}
        assert ignored == {"tests/meta", *PURE_PACKAGES.values()}
        assert command[-1] == "tests"
        marks[name] = command[command.index("-m", 3) + 1]
    assert marks == {
        "unit": "contract or not netns and not real",
        "programs": "real and not netns and not contract",
        "netns": "netns and not alone",
        "alone": "netns and alone",
    }
    assert "tests/meta" in (ROOT / "scripts/run_checks.py").read_text()


def test_what_needs_a_failed_stage_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    tools = stage("tools", "false")
    ended = {"tools": run_tests.carry_out(tools, {})}
    assert not ended["tools"].is_ok
    after = run_tests.carry_out(stage("netns", "touch", str(witness), needs=("tools",)), ended)
    assert after.verdict == "not run, for tools failed"
    assert not witness.exists()


def test_old_counts_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text('<testsuites><testsuite tests="9"/></testsuites>')
    assert run_tests.carry_out(stage("unit", "true", junit=junit), {}).counts == Counts()


def test_the_last_line_counts_all_tests(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    outcomes = [
        Outcome(stage("unit", junit=junit), "ok", 1.0, Counts(10, 0)),
        Outcome(stage("check"), "FAILED (exit code 1)", 1.0),
        Outcome(stage("netns", junit=junit), "FAILED (exit code 1)", 1.0, Counts(3, 2, 1)),
    ]
    lines = run_tests.summary(outcomes, 3.0).splitlines()
    assert lines[-1] == "13 passed, 2 failed, 1 skipped"
    assert CLOSING.fullmatch(lines[-1])


def test_a_failed_stage_does_not_keep_others_from_running(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stages = [stage("one", "false"), stage("two", "echo", "two has run")]
    monkeypatch.setattr(run_tests, "all_stages", lambda: stages)
    monkeypatch.setattr(run_tests, "OUTPUT", tmp_path)
    assert run_tests.main([]) == 1
    said = capfd.readouterr().out
    assert "two has run" in said
    assert CLOSING.fullmatch(said.splitlines()[-1])
