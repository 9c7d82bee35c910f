"""The policy process's work, in the test's own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metallb.runtime.tasks import Supervisor
from metallb_speaker.policy.process import Policy

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient
    from metallb_speaker.settings import Settings


class RunningPolicy:
    """Policy at work, until `end`."""

    def __init__(self, settings: Settings, client: ApiClient) -> None:
        self.policy = Policy(settings, client)
        self._supervisor = Supervisor()
        self._starting = asyncio.create_task(self.policy.run(self._supervisor))

    async def end(self) -> None:
        """End it at once, as SIGKILL does."""
        self._starting.cancel()
        await asyncio.gather(self._starting, return_exceptions=True)
        await self._supervisor.cancel()
        await self.policy.close()
