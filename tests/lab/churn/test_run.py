"""Churn at a reduced size, on the real API server; and what its command line takes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from metallb_lab import churn
from metallb_lab.processes import ProcessError

if TYPE_CHECKING:
    from pathlib import Path

SERVICES, SECONDS = 60, 40.0
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_no_address_has_two_holders_and_in_the_end_all_agree() -> None:
    """Over a minute: replicas are killed at random moments, and a Lease takes its time."""
    report = asyncio.run(churn.churn(churn.Options(SERVICES, SECONDS, seed=5), print))
    assert report.wrong == [], report.text()
    assert report.kills >= 2
    assert report.joins > 0
    assert report.served > 3  # besides those that nobody touches
    assert report.changes > 5 * SERVICES
    assert report.text().endswith("all held")


def test_what_is_wrong_is_told() -> None:
    report = churn.Report(wrong=[f"fault {number}" for number in range(30)])
    lines = report.text().splitlines()
    assert lines.count("WRONG fault 19") == 1
    assert lines[-1] == "30 wrong"


def test_an_hour_with_ten_thousand_can_be_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "actions"
    words = "--services 10000 --seconds 3600 --seed 7 --workers 16 --log"
    found = churn.read_arguments([*words.split(), str(log)])
    assert found == churn.Options(10_000, 3600, 7, 16, log)
    assert found.rest_seconds > 500


@pytest.mark.parametrize(
    "words", ["--services 0", "--workers 0", "--seconds -1", "--log /no/such/f"]
)
def test_what_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        churn.read_arguments(words.split())
    assert stopped.value.code == 2


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_keeps_it_from_running_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_alone: bool
) -> None:
    async def fails(*_: object) -> churn.Report:
        error = ProcessError("ctl1 does not run")
        raise error if is_alone else ExceptionGroup("workers", [error])

    monkeypatch.setattr(churn, "churn", fails)
    assert churn.main(["--seed", "12"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "churn could not run: ctl1 does not run\n"
    assert "--services 200 --seed 12 --workers 8" in printed.out


@pytest.mark.parametrize("wrong", [[], ["a fault"]])
def test_the_exit_code_says_whether_all_held(
    monkeypatch: pytest.MonkeyPatch, wrong: list[str]
) -> None:
    async def ends(*_: object) -> churn.Report:
        return churn.Report(wrong=wrong)

    monkeypatch.setattr(churn, "churn", ends)
    assert churn.main([]) == len(wrong)
