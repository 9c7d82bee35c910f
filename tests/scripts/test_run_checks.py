"""All checks run, and one that fails is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import run_checks
from run_checks import Check

if TYPE_CHECKING:
    import pytest


def test_all_that_a_reviewer_would_run_is_run() -> None:
    names = {check.name for check in run_checks.checks()}
    assert names == {"lint", "format", "spelling", "imports", "lock", "tree", "types"}


def test_each_step_is_told_with_its_time_and_failures_are_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [Check("one", ("sh", "-c", "echo why; exit 1")), Check("two", ("true",))]
    monkeypatch.setattr(run_checks, "checks", lambda: steps)
    assert run_checks.main() == 1
    said = capfd.readouterr().out
    assert "why" in said
    assert re.search(r"^\[check\] one +FAILED +\d+\.\d s$", said, re.M)
    assert re.search(r"^\[check\] two +ok +\d+\.\d s$", said, re.M)
    assert "[check] failed: one" in said.splitlines()[-1]


def test_no_failure_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_checks, "checks", lambda: [Check("one", ("true",))])
    assert run_checks.main() == 0
