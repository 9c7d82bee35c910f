"""One lab among others: its name, its directory, and the clearing of labs whose owner is gone.

A lab owns everything under its name: the directory `/run/metallb-lab/NAME`, the namespaces
`NAME-…`, and the processes noted there. It notes its own process too, with the time that the
process began, so a pid that was given anew is not taken for it. Whoever starts a lab first clears
those whose owner is gone; only processes that a lab noted are ended, by pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path("/run/metallb-lab")
_OWNER = "owner.json"
_PROCESSES = "processes"


def began_at(pid: int) -> int | None:
    """Tell when a process began, in clock ticks since boot; None: there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


class Instance:
    """A lab's name and directory; use as a context manager."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"mlab{secrets.token_hex(2)}"
        self.directory = HOME / self.name

    def namespace(self, host: str) -> str:
        """Name of the namespace of a host of this lab."""
        return f"{self.name}-{host}"

    def __enter__(self) -> Instance:
        with _locked():
            clear_leftovers()
            self.directory.mkdir(parents=True)
            owner = {"pid": os.getpid(), "began": began_at(os.getpid())}
            (self.directory / _OWNER).write_text(json.dumps(owner))
        (self.directory / "logs").mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        clear(self.directory)

    def note_process(self, pid: int) -> None:
        """Note a process that is to end with the lab."""
        with (self.directory / _PROCESSES).open("a") as notes:
            notes.write(f"{pid} {began_at(pid) or 0}\n")


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clear_leftovers() -> list[str]:
    """Clear the labs whose owner is gone; gives their names."""
    cleared: list[str] = []
    for directory in sorted(item for item in HOME.iterdir() if item.is_dir()):
        if not _is_owned(directory):
            clear(directory)
            cleared.append(directory.name)
    return cleared


def _is_owned(directory: Path) -> bool:
    try:
        owner = json.loads((directory / _OWNER).read_text())
        return bool(began_at(int(owner["pid"])) == owner["began"])
    except (OSError, ValueError, KeyError):
        return False


def clear(directory: Path) -> None:
    """End the processes that a lab noted, remove its namespaces and its directory."""
    for pid, began in _noted(directory):
        if began_at(pid) == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    netns.remove(netns.with_prefix(f"{directory.name}-"))
    shutil.rmtree(directory, ignore_errors=True)


def _noted(directory: Path) -> list[tuple[int, int]]:
    try:
        lines = (directory / _PROCESSES).read_text().splitlines()
    except OSError:
        return []
    return [(int(pid), int(began)) for pid, began in (line.split() for line in lines)]
