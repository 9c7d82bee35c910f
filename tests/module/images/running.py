"""An image under runc, as strictly as the chart runs it: its user, no rights, a read-only root."""

from __future__ import annotations

import json
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    reads: tuple[Path, ...] = ()
    """What of the machine it may read, at the same path."""
    memory: tuple[str, ...] = ()
    """Directories that it may write, in memory."""


def configuration(image: Image, arguments: Sequence[str], around: Setting) -> dict[str, Any]:
    user, _, group = (image.user or "0:0").partition(":")
    given = list(around.capabilities)
    network = {"type": "network"} | (
        {"path": f"/run/netns/{around.network}"} if around.network else {}
    )
    options = {"type": "bind", "options": ["rbind", "ro"]}
    reads = [{"destination": str(path), "source": str(path), **options} for path in around.reads]
    memory = [
        {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": [f"uid={user}"]}
        for path in around.memory
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": int(user), "gid": int(group)},
            "args": list(arguments),
            "env": [f"{name}={value}" for name, value in image.env.items()],
            "cwd": image.working_dir,
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(KINDS, given),
        },
        "root": {"path": str(image.rootfs), "readonly": True},
        "mounts": [*SYSTEM, *memory, *reads],
        "linux": {"namespaces": [*({"type": kind} for kind in ("pid", "ipc", "mount")), network]},
    }


def bundle(
    directory: Path, image: Image, arguments: Sequence[str], around: Setting = Setting()
) -> list[str]:
    """Lay out what runc reads; gives the command that runs it."""
    directory.mkdir(parents=True)
    text = json.dumps(configuration(image, arguments, around))
    (directory / "config.json").write_text(text)
    name = f"images-{uuid.uuid4().hex[:12]}"
    return [*runc(directory), "run", "--bundle", str(directory), name]


def runc(directory: Path) -> list[str]:
    return ["runc", "--root", str(directory / "state")]


def run(
    directory: Path, image: Image, arguments: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        bundle(directory, image, arguments),
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
    command = bundle(directory, image, arguments, around)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        name = command[-1]
        subprocess.run([*runc(directory), "kill", name, "KILL"], check=False, capture_output=True)
        process.wait(LIMIT_SECONDS)
        subprocess.run(
            [*runc(directory), "delete", "--force", name], check=False, capture_output=True
        )
