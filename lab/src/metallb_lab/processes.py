"""Processes of a lab: started in a namespace, logged to a file, ended by pid.

Each dies with the lab's own process (`setpriv --pdeathsig KILL`), and is noted for the next lab to
clear should even that fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_lab.instance import Instance

STOP_SECONDS = 10.0
TAIL_LINES = 20


class ProcessError(RuntimeError):
    """A process ended when it should not have; the text carries the end of its log."""


class Process:
    """One process of a lab."""

    def __init__(
        self,
        instance: Instance,
        name: str,
        command: list[str],
        *,
        namespace: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = instance.directory / "logs" / f"{name}.log"
        self._instance = instance
        self._command = command
        self._namespace = namespace
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Pid of the process; raises ProcessError when it does not run."""
        if not self.is_running:
            raise ProcessError(f"{self.name} does not run\n{tail(self.log)}")
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process."""
        inside = ["ip", "netns", "exec", self._namespace] if self._namespace else []
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *inside,
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self._instance.note_process(self._process.pid)

    async def stop(self) -> int:
        """End the process as its user would (SIGTERM); gives its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        await self._end(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def prefer(self, priority: int) -> None:
        """Let all its threads, and those that they start, run before all that is not real-time.

        Raises PermissionError where this process may not do so.
        """
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(priority))

    async def wait(self) -> int:
        """Wait for the end of the process; gives its exit code."""
        if self._process is None:
            raise ProcessError(f"{self.name} was never started")
        return await self._process.wait()

    async def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        code = self._process.returncode
        return 0 if code is None else code


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Give the end of a log."""
    try:
        found = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        found = ["(no log)"]
    return "\n".join([f"--- {log.name}", *found])
