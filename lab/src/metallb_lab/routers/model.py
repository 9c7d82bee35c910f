"""What all routers have in common: how they are started, and the words in which they are read.

A `Program` is only started and ended; a `Router` can also be asked for sessions and routes.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from metallb_lab.processes import Process, tail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from metallb_lab.instance import Instance

START_SECONDS = 20.0
POLL_SECONDS = 0.02


class RouterError(RuntimeError):
    """A router did not start, or its tool did not answer; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class RouterSession:
    """A BGP session as a router sees it; `state` is a state of RFC 4271 §8.2.2, in its words."""

    state: str
    is_up: bool
    raw: Any = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class RouterRoute:
    """A route that a router has from a peer; what an attribute does not say is None or empty.

    Communities are as people write them: `65001:7`, `65001:1:2`, `rt 65001:9`.
    """

    prefix: str
    next_hop: str
    peer: str = ""
    as_path: tuple[int, ...] = ()
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    extended_communities: tuple[str, ...] = ()
    raw: Any = field(repr=False, compare=False, default=None)


@dataclass(frozen=True, slots=True)
class RouterBfd:
    """A BFD session as a router sees it."""

    state: str
    is_up: bool
    raw: Any = field(repr=False, default=None)


class Program(ABC):
    """A program of others in a namespace; use as an asynchronous context manager."""

    name = "program"

    def __init__(
        self, instance: Instance, namespace: str, configuration: str, name: str | None = None
    ) -> None:
        self.instance = instance
        self.namespace = namespace
        self.configuration = configuration
        self.name = name or type(self).name
        self.directory = instance.directory / f"{namespace}-{self.name}"
        self.processes: list[Process] = []

    async def __aenter__(self) -> Self:
        self.directory.mkdir()
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    async def start(self) -> None:
        """Start it, and wait until it can be asked."""

    async def stop(self) -> None:
        """End it as its user would; it can be started again."""
        ending, self.processes = self.processes, []
        await asyncio.gather(*(process.stop() for process in reversed(ending)))

    async def kill(self) -> None:
        """End it with SIGKILL."""
        ending, self.processes = self.processes, []
        await asyncio.gather(*(process.kill() for process in ending))

    async def run_process(
        self, name: str, *command: str, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start one process of it."""
        process = Process(
            self.instance,
            f"{self.directory.name}-{name}" if name != self.name else self.directory.name,
            list(command),
            namespace=self.namespace,
            environment=environment,
        )
        self.processes.append(process)
        await process.start()
        return process

    def write(self, name: str, text: str) -> Path:
        """Write a file of its own."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    async def ask(self, *command: str) -> str:
        """Run a tool of its in its namespace; raises RouterError."""
        process = await asyncio.create_subprocess_exec(
            "ip",
            *("netns", "exec", self.namespace),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            said = (err or out).decode(errors="replace").strip()
            raise RouterError(f"{' '.join(command)}: exit code {process.returncode}: {said}")
        return out.decode(errors="replace")

    async def answering(self, question: Callable[[], Awaitable[object]]) -> None:
        """Wait until it answers; raises RouterError."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                await question()
            except (RouterError, OSError) as error:
                ended = next((item for item in self.processes if not item.is_running), None)
                if ended is not None or time.monotonic() > deadline:
                    which = ended or self.processes[-1]
                    raise RouterError(f"{error}\n{tail(which.log)}") from error
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def until(
        self, look: Callable[[], Awaitable[bool]], says: Callable[[], str], seconds: float = 30.0
    ) -> None:
        """Look again and again until it holds; raises RouterError."""
        deadline = time.monotonic() + seconds
        while not await look():
            if time.monotonic() > deadline:
                logs = "\n".join(tail(item.log) for item in self.processes)
                raise RouterError(f"{self.name}: not within {seconds} s: {says()}\n{logs}")
            await asyncio.sleep(POLL_SECONDS)


class Router(Program):
    """A router in a namespace; use as an asynchronous context manager."""

    name = "router"

    @abstractmethod
    async def sessions(self) -> Mapping[str, RouterSession]:
        """Give the BGP sessions by the peer's address."""

    @abstractmethod
    async def routes(self) -> list[RouterRoute]:
        """Give the routes that came from peers."""

    async def session_up(self, peer: str, *, seconds: float = 30.0) -> RouterSession:
        """Wait until a session is established; raises RouterError."""
        return await self.session(peer, lambda item: item is not None and item.is_up, seconds)

    async def session(
        self, peer: str, holds: Callable[[RouterSession | None], bool], seconds: float = 30.0
    ) -> RouterSession:
        """Wait until a session is as wanted; raises RouterError, with what it is."""
        found: list[RouterSession | None] = []

        async def look() -> bool:
            found[:] = [(await self.sessions()).get(peer)]
            return holds(found[0])

        await self.until(look, lambda: f"session with {peer}: {found}", seconds)
        return found[0] or RouterSession("", is_up=False)

    async def routes_are(
        self, holds: Callable[[list[RouterRoute]], bool], seconds: float = 30.0
    ) -> list[RouterRoute]:
        """Wait until the routes are as wanted; raises RouterError, with what they are."""
        found: list[RouterRoute] = []

        async def look() -> bool:
            found[:] = await self.routes()
            return holds(found)

        await self.until(look, lambda: f"routes: {found}", seconds)
        return found
