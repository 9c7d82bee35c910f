"""The controller process from start to end: connect, stand for election, lead, step down."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import uvloop

from metallb.kube.client import ApiClient
from metallb.kube.config import ConfigurationError, load_connection
from metallb.kube.election import Election, Elector
from metallb.kube.events import EventPoster
from metallb.runtime.http import StatusServer
from metallb.runtime.logging import set_up_logging
from metallb.runtime.tasks import Supervisor, TaskEndedError
from metallb_controller.app.admission_service import AdmissionService
from metallb_controller.app.leadership import Leadership
from metallb_controller.app.metrics import Metrics

if TYPE_CHECKING:
    from metallb_controller.app.settings import Settings

_OTHER_CONNECTIONS = 40
"""Besides those for writes: a watch for each kind, of admission too, the election, Events."""

log = logging.getLogger(__name__)


def boot_clock() -> float:
    """Give monotonic seconds that go on while the machine sleeps, as a Lease does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Controller:
    """One replica of the controller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._term: Leadership | None = None
        self._metrics = Metrics(lambda: self._term)
        self.supervisor = Supervisor()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, or until `supervisor.stop` is set."""
        connection = load_connection(self._settings.kubeconfig)
        agent = f"metallb-controller/{self._settings.identity}"
        async with ApiClient(
            connection,
            user_agent=agent,
            max_connections=self._settings.concurrent_writes + _OTHER_CONNECTIONS,
            unacknowledged_seconds=self._settings.election.margin_seconds,
        ) as client:
            election = Election(self._settings.identity, self._settings.election)
            elector = Elector(
                client, election, self._settings.namespace, self._settings.lease_name, boot_clock
            )
            self.supervisor.stop_on_signals()
            async with AsyncExitStack() as listening:
                await self._listen(listening, elector, client)
                try:
                    self.supervisor.start("election", elector.run())
                    self.supervisor.start("terms", self._serve_terms(elector, client))
                    await self.supervisor.wait()
                finally:
                    await self.supervisor.cancel()

    async def _listen(self, listening: AsyncExitStack, elector: Elector, client: ApiClient) -> None:
        """Serve metrics and health, and admission where it is wanted."""
        settings = self._settings

        def readiness() -> str | None:
            return None if elector.has_answer else "the API server has not answered yet"

        status = StatusServer(
            settings.metrics_host, settings.metrics_port, self._metrics.registry, readiness
        )
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        try:
            await status.start()
        except OSError as error:
            raise ConfigurationError(f"metrics cannot be served on {where}: {error}") from error
        listening.push_async_callback(status.stop)
        log.info("metrics and health on %s:%d", settings.metrics_host, status.port)
        if settings.webhook_port is not None:
            service = AdmissionService(settings, settings.webhook_port, client, elector)
            await service.start(readiness)
            listening.push_async_callback(service.webhook.stop)
            for name, task in service.tasks():
                self.supervisor.start(name, task)

    async def _serve_terms(self, elector: Elector, client: ApiClient) -> None:
        writing = client.fenced(elector.fence)
        while True:
            await elector.leading.wait()
            events = EventPoster(
                writing,
                "metallb-controller",
                self._settings.identity,
                lambda: uuid.uuid4().hex[:16],
            )
            self._term = Leadership(self._settings, client, writing, events, self._metrics)
            term = Supervisor()
            term.start("events", events.run())
            term.start("lead", self._term.run())
            term.start("deposed", self._stop_when(elector.following, term))
            self._metrics.is_leader.set(1)
            try:
                await term.wait()
            finally:
                await term.cancel()
                self._metrics.is_leader.set(0)
                self._term = None
                gc.collect()

    @staticmethod
    async def _stop_when(event: asyncio.Event, term: Supervisor) -> None:
        await event.wait()
        term.stop.set()
        await asyncio.Event().wait()


def run_controller(settings: Settings) -> int:
    """Run a controller process; gives its exit code."""
    set_up_logging(settings.log_level)
    gc.set_threshold(50_000, 20, 50)
    try:
        uvloop.run(Controller(settings).run())
    except ConfigurationError as error:
        log.error("%s", error)
        return 2
    except TaskEndedError:
        log.exception("the controller cannot go on")
        return 1
    return 0
