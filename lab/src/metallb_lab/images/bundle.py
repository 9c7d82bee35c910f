"""`make module`: the images of the module, and the bundle that the platform takes, in `dist/`.

    dist/bundle/                  the module as the platform lays it out (§1.10)
    dist/images/NAME.tar          an image, as an OCI archive; also `bundle` and `release`
    dist/images/NAME.cdx.json     what it is made of, as CycloneDX; also `hooks`, of the bundle
    dist/release/                 what the platform reads of a release before it takes the bundle

The bundle has the files of the tree that `CONTENT` names and nothing else, the environment of the
hooks, the digests of the images, and the version. `dist/` is made anew each time: whole, or the
old one stays.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab.images import base, sbom
from metallb_lab.images.building import build, tree_image
from metallb_lab.images.commands import ImageError
from metallb_lab.images.recipes import HOOKS, OWN, ROOT
from metallb_lab.images.store import digest_of
from metallb_lab.operator.module import camel

if TYPE_CHECKING:
    from metallb_lab.images.commands import Say
    from metallb_lab.images.store import Image

DIST = ROOT / "dist"
CONTENT = (
    ".helmignore", "Chart.yaml", "charts", "crds", "docs", "hooks", "module.yaml", "monitoring",
    "openapi", "templates",
)  # fmt: skip
"""What of the tree is in the bundle; `.werf/bundle.yaml` names the same."""
LEFT_OUT = ("docs/internal", "hooks/venv")
TREES = ("bundle", "release")
"""Directories that the platform pulls as images."""
NO_VERSION = "v0.0.0"
HOMES = {HOOKS: "hooks/venv"}
HOME = "opt/metallb"
"""Where an image has its Python, but for those in `HOMES`."""


def make_module(version: str = NO_VERSION, dist: Path = DIST, say: Say = print) -> list[Image]:
    """Build all and fill `dist`; gives the images. Raises ImageError."""
    images = build((*OWN, HOOKS), say)
    own, hooks = images[:-1], images[-1]
    dist.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{dist.name}.", dir=dist.parent) as name:
        made = Path(name) / "dist"
        say("[module] bundle")
        make_bundle(made / "bundle", hooks, digests(own), version)
        make_release(made / "release", version)
        (made / "images").mkdir()
        layouts = {image.name: image.layout for image in own}
        for tree in TREES:
            layouts[tree] = tree_image(tree, made / tree, Path(name), say)
        for image_name, layout in layouts.items():
            say(f"[module] {image_name}: {digest_of(layout)}")
            pack(layout, made / "images" / f"{image_name}.tar")
        say("[module] what they are made of")
        write_sboms(images, made / "images")
        shutil.rmtree(dist, ignore_errors=True)
        made.rename(dist)
    say(f"[module] {dist}: {in_words(dist / 'bundle')}")
    return images


def make_bundle(
    directory: Path, hooks: Image, images_digests: dict[str, str], version: str
) -> None:
    """Lay the bundle out."""
    directory.mkdir(parents=True)
    for name in CONTENT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=not_released)
        else:
            shutil.copy(source, directory / name)
    shutil.copytree(hooks.rootfs / HOMES[HOOKS], directory / "hooks" / "venv", symlinks=True)
    write_json(directory / "images_digests.json", images_digests)
    write_json(directory / "version.json", {"version": version})


def not_released(directory: str, names: list[str]) -> set[str]:
    """Name what of a directory of the tree stays out of the bundle."""
    here = Path(directory).relative_to(ROOT)
    return {
        name
        for name in names
        if name == "__pycache__" or (here / name).as_posix() in LEFT_OUT or name.startswith(".")
    }


def make_release(directory: Path, version: str) -> None:
    """Lay out what is read of a release: its version, metadata, and notes if there are."""
    directory.mkdir(parents=True)
    write_json(directory / "version.json", {"version": version})
    shutil.copy(ROOT / "module.yaml", directory)
    notes = ROOT / "CHANGELOG" / f"{version}.yml"
    if notes.exists():
        shutil.copy(notes, directory / "changelog.yaml")
    elif version != NO_VERSION:
        raise ImageError(f"a release has notes: {notes} is missing")


def digests(images: list[Image]) -> dict[str, str]:
    """Map the names that templates use to the digests of the images."""
    return {camel(image.name): image.digest for image in images}


def write_json(path: Path, content: dict[str, str]) -> None:
    """Write a file of JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def pack(layout: Path, archive: Path) -> None:
    """Make an OCI archive of a layout: its files are compressed already."""
    with tarfile.open(archive, "w") as packed:
        for path in sorted(layout.rglob("*")):
            packed.add(path, path.relative_to(layout).as_posix(), recursive=False)


def write_sboms(images: list[Image], directory: Path) -> None:
    """Write what each image is made of; raises ImageError."""
    records = sbom.Records(base.archive())
    for image in images:
        home = image.rootfs / HOMES.get(image.name, HOME)
        (directory / f"{image.name}.cdx.json").write_text(sbom.describe(image, home, records))


def in_words(directory: Path) -> str:
    """Tell how much there is in a directory."""
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return f"a bundle of {len(sizes)} files, {sum(sizes) / 2**20:.1f} MiB"
