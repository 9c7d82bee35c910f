"""Each benchmark runs, in its tiny variant, and gives well-formed rows; no time is judged."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.bench import keepalived, runner

if TYPE_CHECKING:
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def rows(path: Path, *arguments: str) -> dict[str, Any]:
    target = path / "figures.json"
    assert runner.main(["--small", "--json", str(target), *arguments]) == 0
    found = json.loads(target.read_text())
    for row in found:
        assert list(row) == ["id", "work", "unit", "ours", "peer", "ratio", "goal", "met"]
        assert list(row["ours"]) == ["median", "worst", "runs"]
        assert list(row["peer"]) == ["name", "median", "worst"]
    return {row["id"]: row for row in found}


def assert_positive(row: dict[str, Any]) -> None:
    assert row["ours"]["runs"] >= 1
    for side in (row["ours"], row["peer"]):
        assert side["median"] > 0
        assert side["worst"] > 0
    assert row["ratio"] > 0


def test_placement_and_balance(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "F10,F11")
    assert list(found) == ["F10", "F10-loss", "F11", "F11-random"]
    assert_positive(found["F10"])
    assert_positive(found["F10-loss"])
    assert all(found[name]["met"] for name in ("F11", "F11-random"))
    assert all(found[name]["peer"]["worst"] > 1 for name in ("F11", "F11-random"))


def test_allocation(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "ALLOC")
    assert list(found) == ["ALLOC", "ALLOC-last"]
    assert_positive(found["ALLOC"])
    assert_positive(found["ALLOC-last"])


@pytest.mark.netns
@needs_root
def test_bfd(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "BFD", "--seconds", "1")
    assert list(found) == ["BFD", "BFD-cpu"]
    assert "10 sessions" in found["BFD"]["work"]
    assert found["BFD-cpu"]["ours"]["median"] > 0


def test_admission(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "ADMIT")
    assert list(found) == ["ADMIT"]
    assert_positive(found["ADMIT"])


def test_bgp_codec(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "BGP-CODEC")
    assert list(found) == ["BGP-CODEC", "BGP-CODEC-decode", "BGP-CODEC-each"]
    for row in found.values():
        assert_positive(row)


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_outage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if keepalived.find() is None:
        assert runner.main(["--small", "--only", "F1"]) == 1
        assert "keepalived is not installed" in capsys.readouterr().err
    else:
        assert_positive(rows(tmp_path, "--only", "F1")["F1"])


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_outage_of_a_routed_flow(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "F4")
    assert list(found) == ["F4-100"]
    assert_positive(found["F4-100"])


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_routes_to_peers(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "F5,FANOUT")
    assert list(found) == ["F5", "F5-frr", "F5-exabgp", "F5-memory", "FANOUT", "FANOUT-bfd"]
    assert found["FANOUT-bfd"]["unit"] == "flaps"
    for name in found.keys() - {"FANOUT-bfd"}:
        assert_positive(found[name])


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_routes_that_come_and_go(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "ROUTE,DRAIN")
    assert list(found) == ["ROUTE", "DRAIN", "DRAIN-stop"]
    assert_positive(found["ROUTE"])
    assert found["DRAIN"]["met"]
    assert found["DRAIN-stop"]["unit"] == "questions"


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_a_withdrawal_for_lack_of_endpoints(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "WITHDRAW")
    assert list(found) == ["WITHDRAW"]
    assert_positive(found["WITHDRAW"])


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_latency(tmp_path: Path) -> None:
    assert_positive(rows(tmp_path, "--only", "F8")["F8"])


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
@pytest.mark.parametrize("name", ["F7", "POOL"])
def test_throughput(tmp_path: Path, name: str) -> None:
    found = rows(tmp_path, "--only", name)
    assert_positive(found[name])
    assert_positive(found[f"{name}-memory"])
    assert found[name]["unit"] == "Services/s"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_stream(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "STREAM")["STREAM"]
    assert found["ours"]["median"] >= 0
    assert found["unit"] == "s"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_root
def test_restart(tmp_path: Path) -> None:
    found = rows(tmp_path, "--only", "RESTART")
    assert list(found) == ["RESTART", "RESTART-writes", "RESTART-memory"]
    assert_positive(found["RESTART"])
    assert_positive(found["RESTART-memory"])
    assert found["RESTART-writes"]["met"]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_hooks(tmp_path: Path) -> None:
    assert_positive(rows(tmp_path, "--only", "HOOK")["HOOK"])
