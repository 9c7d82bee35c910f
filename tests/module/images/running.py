"""An image under runc, as strictly as the chart runs it: its user, no rights, a read-only root."""

from __future__ import annotations

import json
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from metallb_lab.images import Image

LIMIT_SECONDS = 60
KINDS = ("bounding", "effective", "permitted", "inheritable")
SYSTEM: tuple[dict[str, Any], ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
)


@dataclass(frozen=True)
class Setting:
    """What is around a container."""

    capabilities: tuple[str, ...] = ()
    network: str = ""
    """A network namespace by name; a new one without a link if none is named."""
    reads: Mapping[str, Path] = field(default_factory=dict)
    """What of the machine it may read, and where."""
    memory: tuple[str, ...] = ()
    """Directories that it may write, in memory."""
    env: Mapping[str, str] = field(default_factory=dict)


def configuration(image: Image, arguments: Sequence[str], around: Setting) -> dict[str, Any]:
    user, _, group = (image.user or "0:0").partition(":")
    given, env = list(around.capabilities), dict(around.env)
    network = {"type": "network"} | (
        {"path": f"/run/netns/{around.network}"} if around.network else {}
    )
    options = {"type": "bind", "options": ["rbind", "ro"]}
    reads = [
        {"destination": path, "source": str(source), **options}
        for path, source in around.reads.items()
    ]
    memory = [
        {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": [f"uid={user}"]}
        for path in around.memory
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": int(user), "gid": int(group)},
            "args": list(arguments),
            "env": [f"{name}={value}" for name, value in (image.env | env).items()],
            "cwd": image.working_dir,
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(KINDS, given),
        },
        "root": {"path": "root", "readonly": True},
        "mounts": [*SYSTEM, *memory, *reads],
        "linux": {"namespaces": [*({"type": kind} for kind in ("pid", "ipc", "mount")), network]},
    }


@contextmanager
def bundle(
    directory: Path, image: Image, arguments: Sequence[str], around: Setting
) -> Iterator[list[str]]:
    """Lay out what runc reads; gives the command that runs it.

    runc makes the mount points in the root; an overlay keeps them out of the image.
    """
    for name in ("root", "upper", "work"):
        (directory / name).mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(configuration(image, arguments, around)))
    layers = f"lowerdir={image.rootfs},upperdir={directory}/upper,workdir={directory}/work"
    root = str(directory / "root")
    name = f"images-{uuid.uuid4().hex[:12]}"
    call("mount", "-t", "overlay", "overlay", "-o", layers, root)
    try:
        yield [*runc(directory), "run", "--bundle", str(directory), name]
    finally:
        subprocess.run(
            [*runc(directory), "delete", "--force", name], check=False, capture_output=True
        )
        call("umount", root)


def call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def runc(directory: Path) -> list[str]:
    return ["runc", "--root", str(directory / "state")]


def run(
    directory: Path, image: Image, arguments: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    with bundle(directory, image, arguments, Setting()) as command:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )


@contextmanager
def running(
    directory: Path, image: Image, arguments: Sequence[str], around: Setting
) -> Iterator[subprocess.Popen[bytes]]:
    """Run beside the test, and end it with the test."""
    with bundle(directory, image, arguments, around) as command:
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process
        finally:
            kill = [*runc(directory), "kill", command[-1], "KILL"]
            subprocess.run(kill, check=False, capture_output=True)
            process.wait(LIMIT_SECONDS)
