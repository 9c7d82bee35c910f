"""What follows the reconciler at its own pace, after Services: some time after the last change it
looks at everything, and what differs is written, one request after another.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from metallb.kube.errors import (
    TRANSPORT_ERRORS,
    ApiError,
    ConflictError,
    NotFoundError,
    NotLeaderError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from metallb.kube.client import Resource
    from metallb.kube.reflector import Reflector

DELAY_SECONDS: Final = 0.5
"""Changes are collected for so long."""

WRITES_PER_SECOND: Final = 50
"""So that a thousand objects at once do not keep the API server from the next Service."""

log = logging.getLogger(__name__)


class Follower(ABC):
    """One that looks when something has changed; a look begins when all its mirrors are filled."""

    def __init__(self, mirrors: Iterable[Reflector[Any]]) -> None:
        self._filled = tuple(mirrors)
        self._changed = asyncio.Event()
        self._changed.set()

    def look_again(self) -> None:
        """Take in that something may have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Keep what is written right until cancelled."""
        for mirror in self._filled:
            await mirror.synced.wait()
        while True:
            await self._changed.wait()
            await asyncio.sleep(DELAY_SECONDS)
            self._changed.clear()
            await self._look()

    @abstractmethod
    async def _look(self) -> None:
        """Compare all that is followed with what is written, and write what differs."""

    async def _write(self, resource: Resource, about: object, request: Awaitable[object]) -> None:
        """Make one request; what fails is looked at again.

        One that our own fence refuses too: who leads no more is ended by others, in order.
        """
        try:
            await request
        except (ConflictError, NotFoundError, NotLeaderError):
            self._changed.set()
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.warning("%s %s: %s", resource.plural, about, error)
            self._changed.set()
        await asyncio.sleep(1 / WRITES_PER_SECOND)
