"""Images in the cache: what a layout says, how layers lie over one another, which are kept."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.images import ImageError, store
from metallb_lab.images.recipes import Recipe

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "created": "2026-11-27T01:02:03.123456789Z",
    "config": {
        "Entrypoint": ["/program", "-x"],
        "Env": ["A=1", "B=2=3"],
        "User": "64535:64535",
    },
}


def put_blob(layout: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    path = layout / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layer(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def make_layout(layout: Path, *layers: dict[str, str]) -> str:
    """An image as a registry holds it; gives its digest."""
    manifest = {
        "config": put_blob(layout, json.dumps(CONFIG).encode()),
        "layers": [put_blob(layout, layer(files)) for files in layers],
    }
    entry = put_blob(layout, json.dumps(manifest).encode())
    (layout / "index.json").write_text(json.dumps({"manifests": [entry]}))
    return str(entry["digest"])


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path / "cache"))
    recipe = Recipe("controller", tmp_path, tmp_path, {}, "abc")
    monkeypatch.setattr(store, "recipe_of", lambda name: recipe)
    return recipe


def put(tmp_path: Path, recipe: Recipe, *layers: dict[str, str]) -> str:
    digest = make_layout(tmp_path / "made" / "oci", *layers)
    store.put(tmp_path / "made" / "oci", recipe, tmp_path / "log", print)
    return digest


def test_what_was_put_is_found(tmp_path: Path, recipe: Recipe) -> None:
    digest = put(tmp_path, recipe, {"a/one": "1", "a/two": "22"}, {"a/one": "333"})
    image = store.find("controller")
    assert (image.name, image.digest) == ("controller", digest)
    assert image.entrypoint == ("/program", "-x")
    assert image.env == {"A": "1", "B": "2=3"}
    assert (image.user, image.working_dir) == ("64535:64535", "/")
    assert image.created_at == datetime(2026, 11, 27, 1, 2, 3, 123456, UTC)
    assert (image.rootfs / "a/one").read_text() == "333", "the upper layer counts"
    assert image.size_bytes == 5
    assert (image.layout / "index.json").exists()


def test_what_is_not_built_is_said_with_the_remedy(recipe: Recipe) -> None:
    with pytest.raises(ImageError, match=r"run: python -m metallb_lab\.images build controller"):
        store.find("controller")


def test_a_layer_that_removes_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(ImageError, match=r"a layer removes \.wh\.one"):
        put(tmp_path, recipe, {"a/one": "1"}, {"a/.wh.one": ""})
    with pytest.raises(ImageError, match="not built"):
        store.find("controller")


def test_old_images_go_but_for_the_last(tmp_path: Path, recipe: Recipe) -> None:
    place = store.directory_of(recipe).parent
    for number in range(6):
        directory = place / f"image{number}"
        directory.mkdir(parents=True)
        os.utime(directory, (1000.0 * number, 1000.0 * number))
    store.drop_old("controller", now=5000.0 + store.KEPT_SECONDS - 4000.0 + 500)
    assert sorted(path.name for path in place.iterdir()) == [f"image{n}" for n in (2, 3, 4, 5)]
