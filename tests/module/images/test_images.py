"""The images of the module: what is in them, how big they are, and that they run under runc."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from module.images.running import run
from module.tree.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from metallb_lab.images import Image

pytestmark = [pytest.mark.netns, pytest.mark.real, pytest.mark.timeout(900)]

LIMIT_MEBIBYTES = 90
USERS = {"controller": "64535:64535", "speaker": "", "kube-rbac-proxy": "65532:65532"}
ALL_MODULES = """
import importlib, json, os, pkgutil, sys
names = []
for top in ("metallb", sys.argv[1]):
    package = importlib.import_module(top)
    names += [item.name for item in pkgutil.walk_packages(package.__path__, top + ".")]
left_out = ("metallb.hook", "metallb.tls", "metallb.domain")  # those that they use, they import
for name in names:
    if not name.startswith(left_out) and not name.endswith("__main__"):
        importlib.import_module(name)
loaded = [m for m in list(sys.modules.values()) if getattr(m, "__cached__", None)]
print(json.dumps({
    "names": len(names),
    "path": sys.path,
    "uid": os.getuid(),
    "uncompiled": [m.__name__ for m in loaded if not os.path.exists(m.__cached__)],
    "outside": [m.__file__ for m in loaded if not m.__file__.startswith("/opt/metallb/")],
}))
"""
CANNOT_WRITE = """
import errno, os
for place in ("/", "/opt/metallb", "/tmp", "/opt/metallb/lib"):
    try:
        open(os.path.join(place, "new"), "w")
    except OSError as error:
        assert error.errno in (errno.EROFS, errno.ENOENT), error
    else:
        raise SystemExit(place + " can be written")
"""


def python(directory: Path, image: Image, script: str, *arguments: str) -> str:
    """What the Python of an image prints."""
    done = run(directory, image, [image.entrypoint[0], "-I", "-c", script, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def package_of(image: Image) -> str:
    return f"metallb_{image.name}"


def home(image: Image) -> Path:
    return image.rootfs / "opt" / "metallb"


def test_images_are_small(image: Image) -> None:
    mebibytes = image.size_bytes / 2**20
    compressed = image.compressed_bytes / 2**20
    print(f"\n{image.name}: {mebibytes:.1f} MiB above the base, {compressed:.1f} MiB compressed")
    assert mebibytes <= LIMIT_MEBIBYTES


def test_users_are_those_that_the_chart_names(images: dict[str, Image]) -> None:
    assert {name: image.user for name, image in images.items()} == USERS


def test_an_entrypoint_answers_under_its_user_without_rights(image: Image, tmp_path: Path) -> None:
    done = run(tmp_path / "bundle", image, [*image.entrypoint, "--help"])
    assert done.returncode == 0, done.stderr
    assert "--namespace" in done.stdout
    assert done.stderr == ""


def test_a_wrong_argument_is_refused_with_words(image: Image, tmp_path: Path) -> None:
    done = run(tmp_path / "bundle", image, [*image.entrypoint, "--no-such-argument"])
    assert done.returncode == 2
    assert "--no-such-argument" in done.stderr


def test_the_controller_can_plan_a_move(images: dict[str, Image], tmp_path: Path) -> None:
    command = [*images["controller"].entrypoint, "migrate", "--from=metallb"]
    done = run(tmp_path / "bundle", images["controller"], [*command, "--kubeconfig=/nowhere"])
    assert done.returncode == 2
    assert "no way to the API server" in done.stderr


def test_the_proxy_tells_its_arguments(images: dict[str, Image], tmp_path: Path) -> None:
    proxy = images["kube-rbac-proxy"]
    done = run(tmp_path / "bundle", proxy, [*proxy.entrypoint, "--help"])
    assert "--upstream" in done.stdout + done.stderr


def test_every_module_of_ours_imports_and_nothing_is_compiled_at_start(
    image: Image, tmp_path: Path
) -> None:
    printed = python(tmp_path / "bundle", image, ALL_MODULES, package_of(image))
    said: dict[str, Any] = json.loads(printed)
    assert said["names"] > 40
    assert said["uncompiled"] == []
    assert said["outside"] == []
    assert all(path.startswith("/opt/metallb/") for path in said["path"]), said["path"]
    assert said["uid"] == int((image.user or "0").partition(":")[0])


def test_code_is_that_of_the_tree(image: Image) -> None:
    (home,) = image.rootfs.glob("opt/metallb/lib/python3*/*-packages/metallb")
    sources = {
        home: ROOT / "lib/python/src/metallb",
        home.parent / package_of(image): ROOT / "images" / image.name / "src" / package_of(image),
    }
    for there, here in sources.items():
        assert contents(there) == contents(here)


def contents(directory: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(found) > 10
    return found


def test_nothing_can_be_written(image: Image, tmp_path: Path) -> None:
    python(tmp_path / "bundle", image, CANNOT_WRITE)


def test_there_is_no_shell_and_no_tool(image: Image) -> None:
    programs = [
        path.relative_to(image.rootfs).as_posix()
        for path in image.rootfs.rglob("*")
        if path.is_file() and path.stat().st_mode & stat.S_IXUSR and ".so" not in path.name
    ]
    assert [path for path in programs if not path.endswith(".py")] == ["opt/metallb/bin/python3"]
    outside = [path for path in image.rootfs.rglob("*") if not path.is_relative_to(home(image))]
    assert [path for path in outside if not path.is_dir()] == []


def test_no_file_gives_rights_or_belongs_to_somebody(image: Image) -> None:
    for path in image.rootfs.rglob("*"):
        state = path.lstat()
        assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        assert stat.S_ISLNK(state.st_mode) or not state.st_mode & stat.S_IWOTH, path
        assert (state.st_uid, state.st_gid) == (0, 0), path
        readable = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        assert stat.S_ISLNK(state.st_mode) or state.st_mode & readable == readable, path


def test_the_other_image_is_not_in_it(image: Image) -> None:
    packages = {path.name for path in image.rootfs.glob("opt/metallb/lib/python3*/*-packages/*")}
    ours = {name for name in packages if name.startswith("metallb")}
    assert ours == {"metallb", package_of(image)}
