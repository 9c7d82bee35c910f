"""What each image is made of: its Dockerfile, the files that this copies, and its bases.

An image's *inputs* are the text of its Dockerfile, every file that a COPY of it takes, and the
recipe of the base. Their digest names what was built of them.

`hooks` is no image that anybody runs: it holds `hooks/venv` of the bundle, the environment in which
the module operator runs the hooks, and is built like one. `kube-rbac-proxy` is an image of the
platform, not of this module: it is here because our pods hold a container of it, and it is the
program of `metallb_lab.tools` alone.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import tools
from metallb_lab.images import base
from metallb_lab.images.commands import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
OWN = ("controller", "speaker")
"""Images of the module: `images/NAME/Dockerfile`, built from the root of the tree."""
HOOKS = "hooks"
PROXY = "kube-rbac-proxy"
NAMES = (*OWN, HOOKS, PROXY)
NOT_COPIED = "__pycache__"
COPY = re.compile(r"^COPY (?!--from)(.+) \S+$", re.M)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is built."""

    name: str
    dockerfile: Path
    context: Path
    arguments: dict[str, str]
    inputs: str

    @property
    def needs_base(self) -> bool:
        """Whether it is built in a Debian."""
        return "BASE_PYTHON" in self.arguments


def recipe_of(name: str) -> Recipe:
    """Read the recipe of an image; raises ImageError."""
    ours = Path(__file__).with_name(f"{name}.Dockerfile")
    if name == PROXY:
        return make_recipe(name, ours, proxy_directory(), {})
    if name == HOOKS:
        return make_recipe(name, ours, ROOT, {"BASE_PYTHON": base.tag()})
    if name not in OWN:
        raise ImageError(f"no image {name!r}; there are {', '.join(NAMES)}")
    bases = {"BASE_PYTHON": base.tag(), "BASE_DISTROLESS": "scratch"}
    return make_recipe(name, ROOT / "images" / name / "Dockerfile", ROOT, bases)


def proxy_directory() -> Path:
    """Where the built program is; raises ImageError."""
    try:
        return tools.find(PROXY).parent
    except tools.ToolError as error:
        raise ImageError(str(error)) from None


def make_recipe(name: str, dockerfile: Path, context: Path, bases: dict[str, str]) -> Recipe:
    """Sum up the inputs."""
    found = hashlib.sha256(dockerfile.read_bytes())
    for word in (*bases, *bases.values()):
        found.update(word.encode() + b"\0")
    for path in copied_files(dockerfile.read_text(), context):
        found.update(path.relative_to(context).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return Recipe(name, dockerfile, context, bases, found.hexdigest()[:20])


def snapshot(recipe: Recipe, directory: Path) -> Recipe:
    """Copy the inputs; gives the recipe of the copy, which is another one if they have changed."""
    context = directory / "context"
    context.mkdir(parents=True)
    dockerfile = Path(shutil.copy2(recipe.dockerfile, directory / "Dockerfile"))
    for path in copied_files(dockerfile.read_text(), recipe.context):
        place = context / path.relative_to(recipe.context)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    return make_recipe(recipe.name, dockerfile, context, recipe.arguments)


def copied_files(dockerfile: str, context: Path) -> Iterator[Path]:
    """List the files of the context that COPY takes, in order."""
    for sources in COPY.findall(dockerfile):
        for source in sources.split():
            path = context / source
            if not path.exists():
                raise ImageError(f"COPY {source}: there is no such file in {context}")
            below = sorted(path.rglob("*")) if path.is_dir() else [path]
            yield from (item for item in below if item.is_file() and not is_left_out(item))


def is_left_out(path: Path) -> bool:
    """Tell what `.dockerignore` keeps out of the context."""
    return NOT_COPIED in path.parts
