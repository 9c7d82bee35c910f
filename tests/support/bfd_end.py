"""Our end of BFD sessions: the shell of reflex, in this process, with its sockets."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from metallb_speaker.bfd.iana import State
from metallb_speaker.control import BFDStateLine, bfd_counts_of
from metallb_speaker.reflex.bfd import BFD
from metallb_speaker.reflex.counters import Counters
from support.waiting import until

if TYPE_CHECKING:
    from metallb_speaker.bfd.config import BFDConfig, Endpoint
    from metallb_speaker.control import Line


class BfdEnd:
    """What this node orders, and what it was told; an async context manager."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.told: list[tuple[float, BFDStateLine]] = []
        self._loop = asyncio.get_running_loop()
        self.bfd = BFD(self._loop, self.counters, self._say)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.bfd.stop()

    def _say(self, line: Line) -> None:
        self.told.append((self._loop.time(), BFDStateLine.of(line)))

    def order(self, *configs: BFDConfig) -> None:
        """Say which sessions there are to be."""
        self.bfd.order(list(configs))

    def states(self, endpoint: Endpoint) -> list[State]:
        """Name the states that were told of a session, without repetitions."""
        found: list[State] = []
        for _, line in self.told:
            if line.endpoint == endpoint and found[-1:] != [line.state]:
                found.append(line.state)
        return found

    def last(self, endpoint: Endpoint) -> BFDStateLine | None:
        """Give what was told last of a session."""
        found = [line for _, line in self.told if line.endpoint == endpoint]
        return found[-1] if found else None

    def is_in(self, endpoint: Endpoint, state: State) -> bool:
        """Tell whether a session is in a state."""
        found = self.last(endpoint)
        return found is not None and found.state is state

    async def reaches(self, endpoint: Endpoint, state: State) -> BFDStateLine:
        """Wait until a session is in a state."""
        await until(lambda: self.is_in(endpoint, state), f"{state!r} of {self.told}")
        found = self.last(endpoint)
        assert found is not None
        return found

    def downs(self, endpoint: Endpoint) -> int:
        """Count how often a session that was Up was so no more."""
        states = self.states(endpoint)
        return sum(before is State.UP for before, _ in pairwise(states))

    def counts(self) -> tuple[dict[Endpoint, list[int]], dict[str, int]]:
        """Drain what was counted: of each session, and what was dropped."""
        line = self.counters.take_line(self.bfd.take_counts())
        return dict(bfd_counts_of(line)), dict(line["dropped_bfd"])
