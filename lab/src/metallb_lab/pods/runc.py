"""Containers by runc: one foreground runc for each, which ends with its container.

The root of an image is shared and never written: each container has an overlay on it. What a lab
leaves behind when it is killed is known by pid (`Instance.note_process`) and by the mounts beneath
its directory (`metallb_lab.instance.clear`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab import netns
from metallb_lab.pods.errors import RuncError

if TYPE_CHECKING:
    from pathlib import Path

    from metallb_lab.instance import Instance

START_SECONDS = 30.0
EXEC_FAILED = 255


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where a container's files are."""

    directory: Path

    @property
    def root(self) -> Path:
        """Its root."""
        return self.directory / "rootfs"

    def make(self, image_root: Path) -> None:
        """Lay an overlay on an image."""
        upper, work = self.directory / "upper", self.directory / "work"
        for path in (self.root, upper, work):
            path.mkdir(parents=True)
        options = f"lowerdir={image_root},upperdir={upper},workdir={work}"
        netns.run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))

    def remove(self) -> None:
        """Take everything away."""
        with contextlib.suppress(netns.CommandError):
            netns.run("umount", "--lazy", str(self.root))
        shutil.rmtree(self.directory, ignore_errors=True)


class Container:
    """One container, from its start to its end."""

    def __init__(self, instance: Instance, name: str, bundle: Bundle, log: Path) -> None:
        self.id = name
        self.pid = 0
        """Its first process, seen from the node; 0 while there is none."""
        self._instance = instance
        self._bundle = bundle
        self._log = log
        self._runc: asyncio.subprocess.Process | None = None

    def _command(self, *words: str) -> list[str]:
        return ["runc", f"--root={self._instance.directory / 'runc'}", *words]

    async def start(self, configuration: dict[str, Any]) -> None:
        """Start it; raises RuncError."""
        directory = self._bundle.directory
        (directory / "config.json").write_text(json.dumps(configuration))
        pid_file = directory / "pid"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._runc = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *self._command(
                    f"--log={directory / 'runc.log'}",
                    *("run", f"--bundle={directory}", f"--pid-file={pid_file}", self.id),
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._instance.note_process(self._runc.pid)
        await self._until_started(pid_file)

    async def _until_started(self, pid_file: Path) -> None:
        assert self._runc is not None
        async with asyncio.timeout(START_SECONDS):
            while not (pid := _read_pid(pid_file)):
                if self._runc.returncode is not None:
                    await self._delete()
                    raise RuncError(self._said())
                await asyncio.sleep(0.005)
        self.pid = pid
        self._instance.note_process(pid)

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return (self._bundle.directory / "runc.log").read_text()[-1000:]
        return "runc said nothing"

    async def wait(self) -> int:
        """Wait for its end; gives its exit code."""
        assert self._runc is not None
        code = await self._runc.wait()
        await self._delete()
        self.pid = 0
        return 128 - code if code < 0 else code

    def signal(self, number: int) -> None:
        """Send its first process a signal, if there is one."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def execute(self, command: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """Run a command in it; gives the exit code and what was printed; raises TimeoutError."""
        process = await asyncio.create_subprocess_exec(
            *self._command("exec", self.id, *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        code = EXEC_FAILED if process.returncode is None else process.returncode
        return code, said.decode(errors="replace")

    async def stop(self, grace_seconds: float) -> None:
        """Ask it to end, and end it when its time is over; `wait` tells when it is done."""
        if not self.pid or self._runc is None:
            return
        if grace_seconds > 0:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._runc.wait()
        self.signal(signal.SIGKILL)

    async def _delete(self) -> None:
        """Take away what runc left; one that ends well leaves nothing."""
        process = await asyncio.create_subprocess_exec(
            *self._command("delete", "--force", self.id),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()


def _read_pid(path: Path) -> int:
    """Read a file with a pid; 0 while it is not written."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0
