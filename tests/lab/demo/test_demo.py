"""The demo as a person runs it: what it prints, what it measures, and that it leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import demo, images, instance, netns, tools
from metallb_lab.pods import module

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "metallb_lab", "demo")
DEADLINE_SECONDS = 240

pytestmark = [
    pytest.mark.netns,
    pytest.mark.alone,
    pytest.mark.slow,
    pytest.mark.timeout(DEADLINE_SECONDS + 60),
]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*COMMAND, *arguments),
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip


def _failures(told: str) -> list[str]:
    return [line for line in told.splitlines() if "FAILED" in line]


def _check_figures(figures: dict[str, Any], nodes: int) -> None:
    assert figures["ok"] is True
    assert len(figures["vips"]) == 1 + 4 + 2
    assert {vip["service"] for vip in figures["vips"]} == {"shop", "web", "dual"}
    owners = Counter(vip["owner"] for vip in figures["vips"])
    assert max(owners.values()) - min(owners.get(f"n{i + 1}", 0) for i in range(nodes)) <= 1
    assert all(re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", vip["mac"]) for vip in figures["vips"])
    moved = [vip for vip in figures["planned_move"] if vip["before"] != vip["after"]]
    assert moved
    assert sum(vip["lost"] for vip in figures["planned_move"]) == 0
    lost = [vip for vip in figures["node_loss"] if vip["before"] != vip["after"]]
    assert {vip["before"] for vip in lost} == {lost[0]["before"]}
    assert all(vip["recorded_outage_milliseconds"] > 0 for vip in lost)
    assert all(vip["sent"] > 0 for act in ("node_loss", "node_return") for vip in figures[act])


@pytest.mark.parametrize(
    ("plane", "nodes"), [("embedded", 3), pytest.param("real", 5, marks=pytest.mark.real)]
)
def test_all_of_it_holds(plane: str, nodes: int, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = _run(f"--control-plane={plane}", "--nodes", str(nodes), "--json", str(file))
    assert (done.returncode, _failures(done.stdout)) == (0, []), done.stdout + done.stderr
    assert done.stdout.rstrip().splitlines()[-2].strip() == "holds    all of it held"
    figures = json.loads(file.read_text())
    assert (figures["control_plane"], figures["nodes"]) == (plane, nodes)
    _check_figures(figures, nodes)


@pytest.mark.real
def test_all_of_it_holds_with_the_module_in_pods(tmp_path: Path) -> None:
    for name in module.IMAGES:
        images.ensure(name)
    file = tmp_path / "figures.json"
    done = _run("--module", "--json", str(file))
    assert (done.returncode, _failures(done.stdout)) == (0, []), done.stdout + done.stderr
    figures = json.loads(file.read_text())
    assert figures["ok"] is True
    assert len(figures["vips"]) == 1 + 4 + 2


def _check_bgp_figures(figures: dict[str, Any], nodes: int) -> None:
    assert figures["ok"] is True
    names = {f"n{number + 1}" for number in range(nodes)}
    sessions = {(item["router"], item["node"]) for item in figures["sessions"]}
    assert sessions == {(router, name) for router in ("bird", "frr") for name in names}
    assert {item["bgp"] for item in figures["sessions"]} == {"Established"}
    routes = {(item["router"], item["prefix"]): item for item in figures["routes"]}
    assert set(routes) == {
        ("bird", "198.51.100.0/32"),
        ("bird", "2001:db8:100::/128"),
        ("frr", "198.51.100.0/32"),
        ("frr", "198.51.100.64/32"),
    }
    assert all(set(item["nodes"]) == names for item in routes.values())
    assert routes["frr", "198.51.100.64/32"]["communities"] == ["64500:9"]
    assert all(set(item["answers"]) == names for item in figures["spread"])
    for act in ("drain", "drain_end", "node_return"):
        assert sum(item["requests"] + item["other_requests"] for item in figures[act]) > 0
        assert sum(item["lost"] + item["other_lost"] for item in figures[act]) == 0
    for client in ("bird", "frr"):
        hit = [item for item in figures["node_loss"] if item["client"] == client and item["flows"]]
        assert all(0 < item["longest_gap_milliseconds"] <= 1000 for item in hit)
        assert sum(item["lost"] for item in hit) > 0
    assert sum(item["other_lost"] for item in figures["node_loss"]) == 0


def test_all_of_it_holds_in_bgp_mode(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = _run("--mode", "bgp", "--json", str(file))
    assert (done.returncode, _failures(done.stdout)) == (0, []), done.stdout + done.stderr
    assert done.stdout.rstrip().splitlines()[-2].strip() == "holds    all of it held"
    figures = json.loads(file.read_text())
    assert (figures["control_plane"], figures["nodes"]) == ("embedded", 3)
    _check_bgp_figures(figures, 3)


def _owned_by(pid: int) -> str:
    for directory in instance.HOME.iterdir():
        owner = directory / "owner.json"
        if owner.exists() and json.loads(owner.read_text())["pid"] == pid:
            return directory.name
    raise AssertionError(f"process {pid} owns no lab")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_nothing_behind(number: signal.Signals) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "API server" in line:
                break
        name = _owned_by(running.pid)
        assert netns.with_prefix(f"{name}-")
        running.send_signal(number)
        said = running.stdout.read()
        assert running.wait(timeout=60) == demo.INTERRUPTED
    assert "stopped; the cluster is cleared away" in said
    assert netns.with_prefix(f"{name}-") == []
    assert not (instance.HOME / name).exists()


@pytest.mark.real
def test_a_kept_cluster_can_be_looked_at_and_ended() -> None:
    done = _run("--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"its name is (\S+)\. Look around", done.stdout)
    assert found is not None
    name = found.group(1)
    try:
        kubeconfig = re.search(r"export KUBECONFIG=(\S+)", done.stdout)
        assert kubeconfig is not None
        shown = subprocess.run(
            [str(tools.find("kubectl")), "get", "vip", "-o", "name"],
            env=os.environ | {"KUBECONFIG": kubeconfig.group(1)},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert len(shown.stdout.split()) == 1 + 4 + 2
        assert all(f"{name}-n{number}" in netns.with_prefix(name) for number in (1, 2, 3))
    finally:
        ended = subprocess.run(
            (sys.executable, "-m", "metallb_lab", "down", name),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, f"{name}: ended and cleared away\n")
    assert netns.with_prefix(f"{name}-") == []
    assert not (instance.HOME / name).exists()


def test_a_wrong_number_of_nodes_is_refused_with_what_would_be_right() -> None:
    done = _run("--nodes", "1")
    assert done.returncode == 2
    assert "--nodes 1: from 2 to 50" in done.stderr


def test_bgp_mode_with_the_module_is_refused() -> None:
    done = _run("--mode", "bgp", "--module")
    assert done.returncode == 2
    assert "--mode bgp is without it" in done.stderr


def test_a_lab_that_does_not_exist_cannot_be_ended() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "metallb_lab", "down", "nothing"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "nothing: there is no such lab\n")


def test_without_root_it_says_what_is_missing_and_why() -> None:
    done = subprocess.run(
        ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", *COMMAND),
        capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "root: network namespaces, raw sockets and nftables need it" in done.stderr
