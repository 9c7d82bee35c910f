"""Programs that make images, run with a log: the steps are told, the rest is shown on failure.

buildah works in a store of its own within the cache, so it neither sees nor changes the images of
whoever uses this machine. Its commands run by `--isolation chroot`: as root, without a runtime and
without cgroups, which works in most virtual machines and containers (lab.md §6).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from metallb_lab.tools import cache_dir

LOG_TAIL_LINES = 25
STEP = "STEP "

Say = Callable[[str], None]


class ImageError(RuntimeError):
    """An image is unknown, not built yet, or could not be built."""


def images_dir() -> Path:
    """Where images, their bases and the store of buildah are."""
    return cache_dir() / "images"


def run(command: Sequence[str | Path], log: Path, say: Say, prefix: str) -> str:
    """Run a program to its end; gives its output, tells its steps, raises ImageError."""
    words = [str(word) for word in command]
    lines: deque[str] = deque()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except FileNotFoundError:
            raise ImageError(f"{words[0]} is missing; run: python3 scripts/setup.py test") from None
        with process:
            for line in process.stdout or ():
                file.write(line)
                lines.append(line)
                if STEP in line:
                    say(f"{prefix}: {line[line.index(STEP) :].strip()}")
    if process.returncode != 0:
        tail = "".join(list(lines)[-LOG_TAIL_LINES:])
        shown = " ".join([word for word in words if not word.startswith(("-", "/"))][:3])
        raise ImageError(f"{shown} failed ({process.returncode}), log {log}:\n{tail}")
    return "".join(lines)


def buildah(*arguments: str | Path) -> list[str | Path]:
    """Make a command of buildah, in our store."""
    store = images_dir() / "storage"
    mounts = Path("/run/metallb-images") / hashlib.sha256(os.fsencode(store)).hexdigest()[:12]
    places = [f"--root={store}", f"--runroot={mounts}", "--storage-driver=overlay"]
    return ["buildah", *places, *arguments]


@contextmanager
def lock(path: Path, prefix: str, say: Say) -> Iterator[None]:
    """Hold a file exclusively; the kernel lets go of it should we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{prefix}: another process is building, waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
