"""One lab among others: its name, its directory, and the clearing of labs whose owner is gone.

A lab owns everything under its name: the directory `/run/metallb-lab/NAME` with what is mounted in
it, the namespaces `NAME-…`, the control groups `metallb-lab-NAME`, and the processes noted there.
It notes its own process too, with the time that the process began, so a pid that was given anew is
not taken for it. Whoever starts a lab first clears those whose owner is gone; only processes that a
lab noted are ended, by pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOME = Path("/run/metallb-lab")
CGROUPS = Path("/sys/fs/cgroup")
_OWNER = "owner.json"
_PROCESSES = "processes"
END_SECONDS = 15.0


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
        self.name = name or _new_name()
        self.directory = HOME / self.name

    @property
    def cgroup(self) -> str:
        """Group of this lab's containers, beneath the root of each hierarchy."""
        return cgroup_of(self.name)

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


def _new_name() -> str:
    """Draw a short name that no lab has."""
    while True:
        name = f"mlab{secrets.token_hex(2)}"
        if not (HOME / name).exists():
            return name


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
        if _owner(directory) is None:
            clear(directory)
            cleared.append(directory.name)
    return cleared


def end(names: Sequence[str] = ()) -> list[str]:
    """End labs whose owners live, all if none is named, and clear what is left; gives their names.

    An owner is asked first (SIGTERM), so that it ends its processes itself.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    known = sorted(item for item in HOME.iterdir() if item.is_dir())
    wanted = [item for item in known if not names or item.name in names]
    for directory in wanted:
        if pid := _owner(directory):
            _ask_to_end(pid)
        with _locked():
            clear(directory)
    return [item.name for item in wanted]


def _ask_to_end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], END_SECONDS)[0]:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], END_SECONDS)
        finally:
            os.close(descriptor)


def _owner(directory: Path) -> int | None:
    """Pid of a lab's owner; None when it is gone."""
    try:
        owner = json.loads((directory / _OWNER).read_text())
        return int(owner["pid"]) if began_at(int(owner["pid"])) == owner["began"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear(directory: Path) -> None:
    """End the processes that a lab noted, remove its namespaces and its directory."""
    for pid, began in _noted(directory):
        if began_at(pid) == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    netns.remove(netns.with_prefix(f"{directory.name}-"))
    _unmount(directory)
    shutil.rmtree(directory, ignore_errors=True)
    _remove_cgroups(directory.name)


def cgroup_of(name: str) -> str:
    """Group of a lab's containers."""
    return f"metallb-lab-{name}"


def mounts_beneath(directory: Path, table: str) -> list[str]:
    """Name what is mounted beneath a directory, the last mounted first."""
    points = [line.split()[4] for line in table.splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{directory}/")]


def _unmount(directory: Path) -> None:
    for point in mounts_beneath(directory, Path("/proc/self/mountinfo").read_text()):
        with contextlib.suppress(netns.CommandError):
            netns.run("umount", "--lazy", point)


def _remove_cgroups(name: str) -> None:
    group_name = cgroup_of(name)
    for top in (*CGROUPS.glob(group_name), *CGROUPS.glob(f"*/{group_name}")):
        for group in sorted(top.rglob("*"), reverse=True):
            if group.is_dir():
                with contextlib.suppress(OSError):
                    group.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


def _noted(directory: Path) -> list[tuple[int, int]]:
    try:
        lines = (directory / _PROCESSES).read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [(int(item[0]), int(item[1])) for item in words if len(item) == 2]
