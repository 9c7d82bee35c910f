"""The base in which images are built: a Debian with Python, made by debootstrap.

It stands for the platform's own base, which is to be had only where the platform is. Nothing of it
is in an image but the interpreter, its standard library and the shared libraries that these need.
It is the oldest Debian with a Python that we support: the environment of the hooks runs with the C
library of this machine, which must not be older.

The archive of it lies in the cache under the digest of what it was made of; so does the image in
the store of buildah, as a tag.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab.images.commands import buildah, images_dir, lock, run

if TYPE_CHECKING:
    from metallb_lab.images.commands import Say

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "binutils", "ca-certificates")
MIRROR_VARIABLE = "METALLB_LAB_DEBIAN_MIRROR"
REVISION = "1"
PREFIX = "[images] base"
NOT_KEPT = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")


def digest() -> str:
    """Sum up what decides the content of the base."""
    parts = " ".join((SUITE, *PACKAGES, platform.machine(), REVISION))
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def tag() -> str:
    """Name the image of the base in the store."""
    return f"localhost/metallb-lab/base:{digest()}"


def archive() -> Path:
    """Where the archive of the base is."""
    return images_dir() / "base" / f"{SUITE}-{digest()}.tar"


def ensure(say: Say) -> str:
    """Bring the base into the store unless it is there; gives its name."""
    log = archive().with_suffix(".log")
    with lock(archive().with_suffix(".lock"), PREFIX, say):
        asked = buildah("images", "--quiet", "--filter", f"reference={tag()}")
        if not run(asked, log, say, PREFIX).strip():
            if not archive().exists():
                bootstrap(log, say)
            bring_in(log, say)
    return tag()


def bootstrap(log: Path, say: Say) -> None:
    """Make the archive: whole, or not at all."""
    say(f"{PREFIX}: Debian {SUITE} with {', '.join(PACKAGES)} (log: {log})")
    mirror = [os.environ[MIRROR_VARIABLE]] if os.environ.get(MIRROR_VARIABLE) else []
    include = f"--include={','.join(PACKAGES)}"
    with tempfile.TemporaryDirectory(prefix="base.", dir=archive().parent) as name:
        root = Path(name) / "root"
        run(["debootstrap", "--variant=minbase", include, SUITE, root, *mirror], log, say, PREFIX)
        for part in NOT_KEPT:
            shutil.rmtree(root / part, ignore_errors=True)
        made = Path(name) / "base.tar"
        run(["tar", "-C", root, "--numeric-owner", "-cf", made, "."], log, say, PREFIX)
        made.rename(archive())


def bring_in(log: Path, say: Say) -> None:
    """Make an image of the archive."""
    say(f"{PREFIX}: into the store")
    container = run(buildah("from", "scratch"), log, say, PREFIX).split()[-1]
    try:
        run(buildah("add", "--quiet", container, archive(), "/"), log, say, PREFIX)
        run(buildah("commit", "--quiet", container, tag()), log, say, PREFIX)
    finally:
        run(buildah("rm", container), log, say, PREFIX)
