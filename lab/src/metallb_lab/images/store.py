"""Built images in the cache: `NAME/INPUTS/` with `rootfs`, `oci` and `image.json`.

`oci` is the image as a registry would hold it (OCI image layout): its manifest's digest is the
image's. `rootfs` is its layers laid over one another. A directory appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metallb_lab.images.commands import ImageError, images_dir, run
from metallb_lab.images.recipes import recipe_of

if TYPE_CHECKING:
    from metallb_lab.images.commands import Say
    from metallb_lab.images.recipes import Recipe

WHITEOUT = ".wh."
KEPT = 3
KEPT_SECONDS = 24 * 3600.0

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that can be run: its root directory, and what its configuration says."""

    name: str
    digest: str
    rootfs: Path
    layout: Path
    entrypoint: tuple[str, ...]
    env: dict[str, str]
    user: str
    created_at: datetime
    working_dir: str
    size_bytes: int
    compressed_bytes: int


def directory_of(recipe: Recipe) -> Path:
    """Where the image of these inputs is."""
    return images_dir() / recipe.name / recipe.inputs


def find(name: str) -> Image:
    """Give the image of this very tree; raises ImageError when it is not built."""
    recipe = recipe_of(name)
    directory = directory_of(recipe)
    if not (directory / "rootfs").is_dir():
        raise ImageError(
            f"{name} is not built of this tree; run: python -m metallb_lab.images build {name}"
        )
    return read_image(name, directory)


def read_image(name: str, directory: Path) -> Image:
    """Read what an image's layout says, and note that it is still wanted."""
    os.utime(directory)
    layout = directory / "oci"
    digest = digest_of(layout)
    manifest = read_json(blob(layout, digest))
    about = read_json(blob(layout, manifest["config"]["digest"]))
    config: Document = about["config"]
    return Image(
        name=name,
        digest=digest,
        rootfs=directory / "rootfs",
        layout=layout,
        entrypoint=tuple(config.get("Entrypoint", ())) + tuple(config.get("Cmd") or ()),
        env=dict(item.split("=", 1) for item in config.get("Env", ())),
        user=config.get("User", ""),
        created_at=datetime.fromisoformat(about["created"]),
        working_dir=config.get("WorkingDir") or "/",
        size_bytes=read_json(directory / "image.json")["sizeBytes"],
        compressed_bytes=sum(layer["size"] for layer in manifest["layers"]),
    )


def digest_of(layout: Path) -> str:
    """Give the digest of a layout's only image."""
    (manifest,) = read_json(layout / "index.json")["manifests"]
    return str(manifest["digest"])


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_bytes())


def blob(layout: Path, digest: str) -> Path:
    """Where a layout holds what has this digest."""
    return layout / "blobs" / Path(*digest.split(":", 1))


def unpack(layout: Path, rootfs: Path, log: Path, say: Say) -> int:
    """Lay the layers over one another; gives the bytes of all files. Raises ImageError."""
    for layer in read_json(blob(layout, digest_of(layout)))["layers"]:
        packed = blob(layout, layer["digest"])
        run(["tar", "-C", rootfs, "--numeric-owner", "-xpzf", packed], log, say, "")
    if gone := next(rootfs.rglob(f"{WHITEOUT}*"), None):
        raise ImageError(f"a layer removes {gone.name}: make the image without it instead")
    return sum(path.lstat().st_size for path in rootfs.rglob("*") if not path.is_dir())


def put(layout: Path, recipe: Recipe, log: Path, say: Say) -> None:
    """Take a layout into the cache; it is moved from where it was made, on the same disk."""
    final = directory_of(recipe)
    scratch = layout.parent / "image"
    (scratch / "rootfs").mkdir(parents=True)
    size = unpack(layout, scratch / "rootfs", log, say)
    layout.rename(scratch / "oci")
    (scratch / "image.json").write_text(json.dumps({"sizeBytes": size}))
    shutil.rmtree(final, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(final)


def drop_old(name: str, now: float | None = None) -> None:
    """Remove images that nobody asked for in a day, but not the last few."""
    now = time.time() if now is None else now
    found = [path for path in (images_dir() / name).iterdir() if path.is_dir()]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT:]:
        if now - path.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
