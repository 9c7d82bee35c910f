"""The import contracts cover every pure package, and catch what they are there to catch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meta.tree import ROOT, SOURCES, project
from pure_packages import PURE_PACKAGES

FORBIDDEN = ("asyncio", "socket", "time", "random", "kubernetes", "aiohttp", "pyroute2")
INTRUDER = "intruder"


def contracts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project()["tool"]["importlinter"]["contracts"]
    return found


def pure_contract() -> dict[str, Any]:
    return next(item for item in contracts() if item["name"].startswith("pure cores"))


def lint(folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache", "--config", str(folder / "pyproject.toml")],
        cwd=folder,
        env={"PYTHONPATH": path, "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_pure_package_is_under_the_contract() -> None:
    assert set(pure_contract()["source_modules"]) == set(PURE_PACKAGES)


def test_the_contract_forbids_io_clocks_chance_and_kubernetes() -> None:
    assert set(pure_contract()["forbidden_modules"]) >= set(FORBIDDEN)


def test_every_pure_package_and_its_tests_exist() -> None:
    for package, tests in PURE_PACKAGES.items():
        top, _, rest = package.partition(".")
        assert (SOURCES[top] / rest / "__init__.py").is_file(), package
        assert list((ROOT / tests).glob("test_*.py")), tests


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all four packages, to be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, folder in SOURCES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(folder, tmp_path / "src" / name, ignore=ignored)
    return tmp_path


def test_an_intruder_in_any_pure_package_is_caught(copy: Path) -> None:
    for package in PURE_PACKAGES:
        file = copy / "src" / package.replace(".", "/") / f"{INTRUDER}.py"
        file.write_text("".join(f"import {name}\n" for name in FORBIDDEN))
    done = lint(copy, str(copy / "src"))
    assert done.returncode == 1, done.stdout + done.stderr
    for package in PURE_PACKAGES:
        for name in FORBIDDEN:
            assert f"{package}.{INTRUDER} -> {name}" in done.stdout, (package, name)


WRONG_WAYS = {
    "metallb_controller.app": "metallb_speaker.control",
    "metallb_speaker.policy": "metallb_controller.app",
    "metallb.net": "metallb.api",
    "metallb.kube": "metallb.domain",
    "metallb.hook": "metallb.kube.client",
    "metallb_controller.allocator": "metallb_controller.placement",
    "metallb_speaker.l2": "metallb.api",
    "metallb_speaker.reflex": "metallb.kube.client",
    "metallb_speaker.announce": "metallb_speaker.policy",
    "metallb_controller.reconcile": "asyncio",
    "metallb_speaker.io": "scapy",
}
"""Package -> what it may not import; together they break every contract."""


def test_wrong_directions_are_caught_by_every_contract(copy: Path) -> None:
    for package, target in WRONG_WAYS.items():
        file = copy / "src" / package.replace(".", "/") / f"{INTRUDER}.py"
        file.write_text(f"import {target}\n")
    done = lint(copy, str(copy / "src"))
    assert done.returncode == 1, done.stdout + done.stderr
    for package, target in WRONG_WAYS.items():
        assert f"{package}.{INTRUDER} -> {target}" in done.stdout, package
    assert f"0 kept, {len(contracts())} broken" in done.stdout
