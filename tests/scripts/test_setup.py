"""The set-up brings what is missing and only that, and says plainly what it cannot bring."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import setup
from metallb_lab.preflight import COMMANDS, ROUTER_COMMANDS
from setup import (
    BENCH_NEEDS,
    IMAGE_NEEDS,
    LAB_NEEDS,
    LEVELS,
    POD_NEEDS,
    ROOT_LEVELS,
    ROUTER_NEEDS,
    VENV_NEED,
    Need,
    SetupError,
)

IP = next(need for need in LAB_NEEDS if need.name == "ip")


def nothing(need: Need) -> bool:
    return False


def everything(need: Need) -> bool:
    return True


# ---------------------------------------------------------------- what is missing


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_missing_where_all_is_there(level: str) -> None:
    assert setup.missing_needs(level, is_synced=False, has_uv=False, present=everything) == []


@pytest.mark.parametrize("level", LEVELS)
def test_on_a_bare_machine_all_of_a_level_is_missing(level: str) -> None:
    found = setup.missing_needs(level, is_synced=False, has_uv=False, present=nothing)
    assert found == [*LEVELS[level], VENV_NEED]


@pytest.mark.parametrize(("is_synced", "has_uv"), [(True, False), (True, True), (False, True)])
def test_what_installs_uv_is_wanted_only_where_uv_is(is_synced: bool, has_uv: bool) -> None:
    found = setup.missing_needs("python", is_synced=is_synced, has_uv=has_uv, present=nothing)
    assert found == []


def test_only_what_is_missing_is_listed() -> None:
    found = setup.missing_needs("lab", is_synced=True, has_uv=True, present=lambda n: n is not IP)
    assert found == [IP]


def test_benchmarks_need_all_that_the_lab_needs() -> None:
    assert set(LEVELS["bench"]) == {*LAB_NEEDS, *ROUTER_NEEDS, *BENCH_NEEDS}


def test_tests_need_what_images_are_made_of_and_run_by() -> None:
    names = {need.name for need in LEVELS["test"]}
    assert {need.name for need in (*IMAGE_NEEDS, *POD_NEEDS)} <= names
    assert len(names) == len(LEVELS["test"]), "nothing is looked for twice"


def test_who_makes_images_is_told_why_that_needs_root() -> None:
    said = setup.why_not("module", [], is_root=False, has_apt=True)
    assert said is not None
    assert "images are made of files that belong to root" in said


def test_what_the_lab_looks_for_before_it_starts_is_brought() -> None:
    brought = {(need.name, need.package) for need in LAB_NEEDS}
    assert {(name, package) for name, (package, _) in COMMANDS.items()} <= brought
    routers = {(need.name, need.package) for need in ROUTER_NEEDS}
    assert {(name, package) for name, (package, _) in ROUTER_COMMANDS.items()} == routers
    assert set(LEVELS["routers"]) == {*LAB_NEEDS, *ROUTER_NEEDS}
    assert not {*LEVELS["lab"]} & {*ROUTER_NEEDS}, "the ordinary demo needs no routers"


def test_programs_files_and_modules_are_found_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "some-program"
    need = Need("some-program", "some-package", "serves a test")
    monkeypatch.setattr(setup, "PROGRAM_PATH", str(tmp_path))
    assert not setup.is_present(need)
    program.touch(mode=0o755)
    assert setup.is_present(need)
    assert setup.is_present(Need(str(program), "some-package", "serves a test"))
    assert not setup.is_present(Need(f"{program}.no", "some-package", "serves a test"))


def test_certificates_named_by_the_environment_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(setup.CERTIFICATES, "ca-certificates", "serves a test")
    monkeypatch.setattr(Path, "exists", lambda path: False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert not setup.is_present(need)
    monkeypatch.setenv("SSL_CERT_FILE", "/elsewhere.pem")
    assert setup.is_present(need)


# ---------------------------------------------------------------- what is said


def test_root_with_apt_may_begin() -> None:
    assert setup.why_not("lab", LAB_NEEDS, is_root=True, has_apt=True) is None


@pytest.mark.parametrize("level", ROOT_LEVELS)
def test_without_root_the_lab_says_what_is_missing_and_why(level: str) -> None:
    said = setup.why_not(level, [IP], is_root=False, has_apt=True)
    assert said is not None
    assert "needs root" in said
    assert "network namespaces" in said
    assert IP.package in said
    assert IP.purpose in said


def test_without_root_the_lab_refuses_though_nothing_is_missing() -> None:
    assert setup.why_not("lab", [], is_root=False, has_apt=True)


def test_without_root_checks_are_possible() -> None:
    assert setup.why_not("python", [], is_root=False, has_apt=True) is None


def test_without_root_a_missing_package_is_named() -> None:
    said = setup.why_not("python", [VENV_NEED], is_root=False, has_apt=True)
    assert said is not None
    assert "python3-venv" in said


def test_without_apt_the_programs_are_named() -> None:
    said = setup.why_not("lab", LAB_NEEDS, is_root=True, has_apt=False)
    assert said is not None
    assert all(need.name in said for need in LAB_NEEDS)


def test_a_refusal_is_printed_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(setup, "is_synced", lambda: True)
    assert setup.main(["lab"]) == 1
    assert "needs root" in capsys.readouterr().err


def test_an_old_python_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "PYTHON_LEAST", (99, 0))
    assert setup.main(["python"]) == 1
    assert "make PYTHON=" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["lab", "bench"]])
def test_wrong_arguments_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert setup.main(arguments) == 2
    assert "usage" in capsys.readouterr().err


# ---------------------------------------------------------------- what is run


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of our own, whose programs write down how they were called."""
    log = tmp_path / "log"
    for name in ("apt-get", "unshare", "uv"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {log}\ntest ! -e {tmp_path}/{name}.fails\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(setup, "PROGRAM_PATH", str(tmp_path))
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(setup, "compile_modules", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def calls(machine: Path) -> list[str]:
    log = machine / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_packages_are_installed_at_once_after_one_update(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "is_present", everything)
    setup.install_packages(LAB_NEEDS)
    update, install = calls(machine)
    assert update.endswith(" update")
    assert "--no-install-recommends" in install
    assert install.endswith(" ".join(sorted({need.package for need in LAB_NEEDS})))


def test_a_package_without_its_program_is_said(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "is_present", lambda need: need is not IP)
    with pytest.raises(SetupError, match=r"still missing after the installation:\n +iproute2"):
        setup.install_packages(LAB_NEEDS)


def test_a_failed_installation_is_said(machine: Path) -> None:
    (machine / "apt-get.fails").touch()
    with pytest.raises(SetupError, match="could not install iproute2"):
        setup.install_packages([IP])


def test_an_environment_that_fits_is_left_alone(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "LEVELS", {"lab": ()})
    setup.STAMP.write_text(setup.digest_of_environment())
    setup.set_up("lab")
    assert calls(machine) == ["unshare --net true"]


def test_an_environment_that_does_not_fit_is_synced_once(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "find_uv", lambda: str(machine / "uv"))
    setup.set_up("python")
    setup.set_up("python")
    assert len(calls(machine)) == 1
    assert calls(machine)[0].startswith("uv sync --locked --python ")


def test_the_modules_to_be_compiled_exist() -> None:
    assert all(importlib.util.find_spec(name) for name in setup.PROGRAMS)


def test_a_failed_sync_is_said_and_not_remembered(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "find_uv", lambda: str(machine / "uv"))
    (machine / "uv.fails").touch()
    with pytest.raises(SetupError, match="uv sync"):
        setup.set_up("python")
    assert not setup.is_synced()


def test_root_without_the_right_to_make_namespaces_is_told(machine: Path) -> None:
    (machine / "unshare.fails").touch()
    with pytest.raises(SetupError, match="CAP_SYS_ADMIN"):
        setup.check_namespaces()


@pytest.mark.parametrize(
    ("text", "version"),
    [("uv 0.13.9 (x86_64-unknown-linux-gnu)", (0, 13, 9)), ("uv", ()), ("", ())],
)
def test_versions_are_read_from_what_uv_says(text: str, version: tuple[int, ...]) -> None:
    assert setup.version_of(text) == version


@pytest.mark.parametrize(("words", "is_used"), [("uv 0.13.9", True), ("uv 0.4.1", False)])
def test_a_uv_that_is_too_old_is_passed_over(
    machine: Path, monkeypatch: pytest.MonkeyPatch, words: str, is_used: bool
) -> None:
    (machine / "uv").write_text(f"#!/bin/sh\necho {words}\n")
    monkeypatch.setattr(setup, "OWN_UV", machine / "own")
    assert setup.find_uv() == (str(machine / "uv") if is_used else None)


def test_the_stamp_changes_with_everything_that_decides_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [path.relative_to(setup.ROOT) for path in setup.ROOT.glob("**/pyproject.toml")]
    ours = [path for path in found if not re.search(r"\.venv|\.uv|out/", path.as_posix())]
    for path in [*ours, Path("uv.lock")]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    digests = {setup.digest_of_environment()}
    for path in [*ours, Path("uv.lock")]:
        (tmp_path / path).write_text("changed")
        digests.add(setup.digest_of_environment())
    assert len(digests) == len(ours) + 2


def test_it_starts_without_anything_installed() -> None:
    """The script must run before there is an environment: isolated, no site-packages."""
    script = setup.ROOT / "scripts/setup.py"
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-I", "-S", str(script), "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
