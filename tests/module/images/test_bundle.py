"""`make module`: the bundle has what the platform takes, its hooks run, and there is no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab import tools
from metallb_lab.images import ImageError, bundle
from metallb_lab.images.store import unpack
from metallb_lab.operator.hook_files import hook_paths, interpreter_for, register
from module.tree.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.netns, pytest.mark.real, pytest.mark.timeout(900)]

VERSION = "v0.1.0"
CHART = {"Chart.yaml", "charts", "monitoring", "templates", "values.yaml"}
LIMIT_FILE_BYTES = 5 * 2**20
MADE = {"images_digests.json", "version.json"}
INTERPRETER = "hooks/venv/bin/python3"
ENVIRONMENT = {"PYTHONHOME": "hooks/venv", "PATH": "/nonexistent"}
SEES = """
import json, sys
import cryptography.x509, deckhouse, jsonschema, metallb.hook.runner, ssl, yaml
print(json.dumps({"path": sys.path, "prefix": sys.prefix, "files": [
    m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)
]}))
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("module") / "dist"
    said: list[str] = []
    bundle.make_module(VERSION, directory, said.append)
    assert said[-1].startswith(f"[module] {directory}: a bundle of ")
    print("\n" + said[-1])
    return directory


def files(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


def of_the_tree(name: str) -> set[str]:
    """Files of an entry of the tree that are released."""
    place = ROOT / name
    found = place.rglob("*") if place.is_dir() else [place]
    paths = {path.relative_to(ROOT).as_posix() for path in found if path.is_file()}
    return {path for path in paths if "__pycache__" not in path}


def test_it_has_what_werf_would_take(dist: Path) -> None:
    text = (ROOT / ".werf" / "bundle.yaml").read_text()
    paths = re.search(r"includePaths:\n((?: +- \S+\n)+)", text)
    assert paths is not None
    assert re.findall(r"- (\S+)", paths[1]) == list(bundle.CONTENT)
    assert {path.name for path in (dist / "bundle").iterdir()} == {*bundle.CONTENT, *MADE}


def test_it_has_every_file_of_these_and_no_other(dist: Path) -> None:
    expected = set[str]().union(*map(of_the_tree, bundle.CONTENT)) | MADE
    expected = {path for path in expected if not path.startswith("docs/internal/")}
    found = {path for path in files(dist / "bundle") if not path.startswith("hooks/venv/")}
    assert found == expected
    assert {"docs/README.md", "hooks/discovery.py", "openapi/config-values.yaml"} <= found


def test_there_are_no_links(dist: Path) -> None:
    """The platform takes files; what a link leads to is somewhere else there."""
    assert [path for path in (dist / "bundle").rglob("*") if path.is_symlink()] == []


def test_files_are_those_of_the_tree(dist: Path) -> None:
    for name in ("module.yaml", "hooks/discovery.py", "crds/virtualips.yaml"):
        there, here = dist / "bundle" / name, ROOT / name
        assert there.read_bytes() == here.read_bytes()
        assert os.access(there, os.X_OK) == os.access(here, os.X_OK)


def test_digests_are_those_of_the_images(dist: Path) -> None:
    said = json.loads((dist / "bundle" / "images_digests.json").read_text())
    for name in ("controller", "speaker"):
        with tarfile.open(dist / "images" / f"{name}.tar") as packed:
            index = packed.extractfile("index.json")
            assert index is not None
            (manifest,) = json.load(index)["manifests"]
            assert manifest["digest"] == said.pop(name)
            blob = f"blobs/{manifest['digest'].replace(':', '/')}"
            assert blob in packed.getnames()
    assert said == {}


@pytest.mark.parametrize("name", bundle.TREES)
def test_bundle_and_release_are_images_too(dist: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    packed = dist / "images" / f"{name}.tar"
    subprocess.run(["tar", "-xf", packed, "-C", tmp_path / "layout"], check=True)
    unpack(tmp_path / "layout", tmp_path, tmp_path / "log", print)
    assert files(tmp_path) - {"log"} - {f"layout/{x}" for x in files(tmp_path / "layout")} == files(
        dist / name
    )


def test_version_and_release_agree(dist: Path) -> None:
    version = json.loads((dist / "bundle" / "version.json").read_text())
    assert version == {"version": VERSION}
    assert files(dist / "release") == {"version.json", "module.yaml", "changelog.yaml"}
    assert json.loads((dist / "release" / "version.json").read_text()) == version


def test_a_release_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"v99\.0\.0\.yml is missing"):
        bundle.make_release(tmp_path / "release", "v99.0.0")


def test_each_image_and_the_hooks_say_what_they_are_made_of(dist: Path) -> None:
    documents = {path.name for path in (dist / "images").glob("*.json")}
    assert documents == {f"{name}.cdx.json" for name in ("controller", "speaker", "hooks")}


def test_helm_loads_the_chart_alone_and_no_big_file(dist: Path, tmp_path: Path) -> None:
    command = [str(tools.find("helm")), "package", str(dist / "bundle")]
    done = subprocess.run(
        [*command, "--destination", str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.iterdir())) as packed:
        sizes = {m.name.removeprefix("metallb/"): m.size for m in packed.getmembers()}
    assert {name.partition("/")[0] for name in sizes} <= CHART
    assert "templates/speaker/daemonset.yaml" in sizes
    assert max(sizes.values()) < LIMIT_FILE_BYTES


HOOKS = sorted(path.name for path in (ROOT / "hooks").glob("*.py"))


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_runs_as_the_operator_runs_it(dist: Path, name: str) -> None:
    done = subprocess.run(
        [INTERPRETER, f"hooks/{name}", "--config"],
        cwd=dist / "bundle",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    configuration: dict[str, Any] = yaml.safe_load(done.stdout)
    assert configuration["configVersion"] == "v1"
    assert len(configuration) > 1


async def test_the_operator_of_the_lab_registers_them_all(dist: Path, tmp_path: Path) -> None:
    module = dist / "bundle"
    interpreter = interpreter_for(module, tmp_path, {"PATH": os.environ["PATH"]})
    assert interpreter.venv == module / "hooks" / "venv"
    paths = hook_paths(module)
    assert [path.name for path in paths] == HOOKS
    for path in paths:
        hook = await register(path, module, interpreter)
        assert hook.path == path


def test_there_are_hooks() -> None:
    assert len(HOOKS) >= 10


def test_the_environment_of_the_hooks_sees_nothing_of_the_machine(dist: Path) -> None:
    done = subprocess.run(
        [INTERPRETER, "-c", SEES],
        cwd=dist / "bundle",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    inside = (str(dist / "bundle"), "hooks/venv/")
    assert [path for path in said["path"] if path and not path.startswith(inside)] == []
    assert [path for path in said["files"] if not path.startswith(inside)] == []


def test_the_environment_works_from_where_it_is_moved(dist: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "hooks").symlink_to(dist / "bundle" / "hooks")
    done = subprocess.run(
        [INTERPRETER, "hooks/discovery.py", "--config"],
        cwd=moved,
        env=ENVIRONMENT | {"PYTHONHOME": str(moved / "hooks" / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
