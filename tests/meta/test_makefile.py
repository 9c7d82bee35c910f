"""The Makefile explains itself and passes on what it is given."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from meta.tree import ROOT

TEXT = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z]+):", TEXT, re.M)


def make(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_targets_of_the_specification_are_there() -> None:
    assert {"demo", "test", "check", "fuzz", "bench", "module", "tools", "clean"} <= set(TARGETS)


def test_make_alone_explains_every_target() -> None:
    words = make()
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S+ \S+", words, re.M), target


def test_every_target_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", TEXT, re.M)
    assert phony is not None
    assert set(phony[1].split()) == set(TARGETS)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo"], "-m metallb_lab demo"),
        (["demo", "ARGS=--nodes 5 --keep"], "-m metallb_lab demo --nodes 5 --keep"),
        (["bench"], "-m metallb_lab bench"),
        (["bench", "ONLY=F7,F8", "JSON=f.json"], "-m metallb_lab bench --only F7,F8 --json f.json"),
        (["churn", "ARGS=--seed 7"], "-m metallb_lab churn --seed 7"),
        (["test", "STAGES=unit"], "scripts/run_tests.py --stages unit"),
        (["check"], "scripts/run_checks.py"),
        (["tools"], "-m metallb_lab.tools build"),
        (["guest"], "-m metallb_lab.guest run --built tests/guest/tcp_ao.py tests/guest/vrf.py"),
        (["module"], "-m metallb_lab.images module"),
        (["module", "VERSION=v1.2.3"], "-m metallb_lab.images module v1.2.3"),
    ],
)
def test_variables_are_passed_on(arguments: list[str], command: str) -> None:
    lines = [line.rstrip() for line in make("--dry-run", *arguments).splitlines()]
    assert f".venv/bin/python {command}" in lines


@pytest.mark.parametrize(
    "target", ["demo", "test", "check", "fuzz", "churn", "bench", "guest", "module", "tools"]
)
def test_what_runs_the_environment_sets_it_up_first(target: str) -> None:
    lines = make("--dry-run", target).splitlines()
    assert re.match(r"\S+ scripts/setup.py \w+$", lines[0])


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ("", "lab"),
        ("--mode l2 --json bgp.json", "lab"),
        ("--module", "pods"),
        ("--mode bgp", "routers"),
        ("--nodes=5 --mode=bgp", "routers"),
    ],
)
def test_a_demo_brings_what_it_needs_and_no_more(arguments: str, level: str) -> None:
    lines = make("--dry-run", "demo", f"ARGS={arguments}").splitlines()
    assert lines[0].endswith(f"scripts/setup.py {level}")


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^exec make .*\btest\b.*</dev/null$", script.read_text(), re.M)
