"""Builds images: a Dockerfile by buildah, out of its store as an OCI layout, into our cache.

Layers are kept in the store of buildah, and a base image and a whole image each under the digest of
what they were made of: a second build of the same tree starts no program, and one after a change of
our own code makes the last layer only. What is built is a copy of the inputs, so that whoever works
on the tree meanwhile does no harm.

A build reaches PyPI with what the machine's own pip is told: its certificates and `/etc/pip.conf`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import tools
from metallb_lab.images import base
from metallb_lab.images.commands import buildah, images_dir, lock, run
from metallb_lab.images.recipes import NAMES, PROXY, Recipe, recipe_of, snapshot
from metallb_lab.images.store import directory_of, drop_old, put, read_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.images.commands import Say
    from metallb_lab.images.store import Image

STORED = 400
"""Steps that the store may hold: it is emptied then, and the next build makes all anew."""
TREE = Path(__file__).with_name("tree.Dockerfile")
LOCK = "building.lock"
OF_THE_MACHINE = ("/etc/ssl/certs", "/etc/pip.conf")


def ensure(name: str, say: Say = print) -> Image:
    """Give an image, built now if need be; raises ImageError."""
    if name == PROXY:
        tools.ensure(PROXY, say)
    recipe = recipe_of(name)
    if not directory_of(recipe).is_dir():
        prefix = f"[images] {name}"
        with lock(images_dir() / LOCK, prefix, say):
            recipe = make_unless_made(name, prefix, say)
    return read_image(name, directory_of(recipe))


def make_unless_made(name: str, prefix: str, say: Say) -> Recipe:
    """Build an image unless somebody has meanwhile; gives its recipe. Raises ImageError."""
    clear_leftovers()
    recipe = recipe_of(name)
    if not directory_of(recipe).is_dir():
        with tempfile.TemporaryDirectory(prefix="building.", dir=images_dir()) as place:
            recipe = snapshot(recipe, Path(place) / "inputs")
            make(recipe, Path(place), prefix, say)
        drop_old(name)
    return recipe


def clear_leftovers() -> None:
    """Remove what a build that was killed has left; whoever calls this holds the lock."""
    for path in images_dir().glob("building.*"):
        if path.is_dir():
            shutil.rmtree(path)


def build(names: Iterable[str] = NAMES, say: Say = print) -> list[Image]:
    """Give images, each built now if need be; raises ImageError."""
    images = []
    for name in names:
        started_at = time.monotonic()
        image = ensure(name, say)
        say(f"[images] {name}: {in_words(image)}, {time.monotonic() - started_at:.1f} s")
        images.append(image)
    return images


def in_words(image: Image) -> str:
    """Tell how big an image is, and where."""
    size, compressed = image.size_bytes / 2**20, image.compressed_bytes / 2**20
    return f"{size:.1f} MiB above the base ({compressed:.1f} compressed), {image.rootfs}"


def make(recipe: Recipe, place: Path, prefix: str, say: Say) -> None:
    """Build an image at some place and take it into the cache; raises ImageError."""
    layout, log = lay_out(recipe, place, prefix, say)
    put(layout, recipe, log, say)
    if len(run(buildah("images", "--all", "--quiet"), log, say, prefix).split()) > STORED:
        run(buildah("rmi", "--all", "--force"), log, say, prefix)


def lay_out(recipe: Recipe, place: Path, prefix: str, say: Say) -> tuple[Path, Path]:
    """Build an image; gives its layout at some place, and a log. Raises ImageError."""
    if recipe.needs_base:
        base.ensure(say)
    log = images_dir() / f"{recipe.name}.log"
    tag = tag_of(recipe)
    say(f"{prefix}: building (log: {log})")
    run(build_command(recipe, tag), log, say, prefix)
    layout, log = place / "oci", log.with_suffix(".push.log")
    run(buildah("push", "--quiet", tag, f"oci:{layout}:latest"), log, say, prefix)
    return layout, log


def tree_image(name: str, directory: Path, place: Path, say: Say) -> Path:
    """Make an image of a directory's files; gives its layout. Raises ImageError."""
    recipe = Recipe(name, TREE, directory, {}, "latest")
    prefix = f"[images] {name}"
    (place / name).mkdir()
    with lock(images_dir() / LOCK, prefix, say):
        layout, log = lay_out(recipe, place / name, prefix, lambda _: None)
        run(buildah("rmi", tag_of(recipe)), log, say, prefix)
    return layout


def tag_of(recipe: Recipe) -> str:
    """Name an image in the store."""
    return f"localhost/metallb-lab/{recipe.name}:{recipe.inputs}"


def build_command(recipe: Recipe, tag: str) -> list[str | Path]:
    """Make the command that builds an image."""
    given = [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
    shared = [f"--volume={path}:{path}:ro" for path in OF_THE_MACHINE if Path(path).exists()]
    return buildah(
        "build", "--isolation=chroot", "--network=host", "--pull-never", "--layers",
        *given, *shared, f"--tag={tag}", f"--file={recipe.dockerfile}", recipe.context,
    )  # fmt: skip
