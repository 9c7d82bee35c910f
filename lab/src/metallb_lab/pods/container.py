"""One container of a pod: started, probed, started again, stopped.

    waiting ──► running ──► terminated ──► (back-off) ──► waiting …
                   │  liveness or startup probe fails: stopped within the pod's grace
                   └─ readiness probe: ready or not

Its bundle is made anew for each run, so nothing that a run wrote is there in the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from metallb_lab import netns
from metallb_lab.pods import status
from metallb_lab.pods.context import timestamp
from metallb_lab.pods.environment import api_server_variables, environment_of, expand
from metallb_lab.pods.errors import NotYetError, RuncError
from metallb_lab.pods.images import user_of
from metallb_lab.pods.oci import Bind, Surroundings, configuration
from metallb_lab.pods.probing import Prober, Verdict
from metallb_lab.pods.runc import Bundle, Container

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from metallb_lab.pods.context import Context
    from metallb_lab.pods.images import Image
    from metallb_lab.pods.model import ContainerSpec, ProbeSpec
    from metallb_lab.pods.sandbox import Sandbox

MESSAGE_BYTES = 4096

log = logging.getLogger(__name__)


class ContainerRunner:
    """Runs one container for as long as its pod lives."""

    def __init__(
        self, context: Context, sandbox: Sandbox, spec: ContainerSpec, restarts: int = 0
    ) -> None:
        self.spec = spec
        self.status = status.ContainerStatus(spec.name, spec.image, restarts=restarts)
        self._context = context
        self._sandbox = sandbox
        self._container: Container | None = None
        self._backoff = context.settings.crash_backoff()
        self._stopping = asyncio.Event()
        self._has_run = False

    @property
    def pid(self) -> int:
        """Its first process, seen from the node; 0 while it does not run."""
        return 0 if self._container is None else self._container.pid

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run it until `stop`, or until the pod's policy says that it is done."""
        while not self._stopping.is_set():
            try:
                ran_seconds, code = await self._run_once()
            except (NotYetError, RuncError, netns.CommandError, OSError) as error:
                reason = error.reason if isinstance(error, NotYetError) else "RunContainerError"
                self._wait_for(reason, str(error))
                await self._sandbox.tell(reason, str(error), "Warning")
                await self._pause(self._context.settings.retry_seconds)
                continue
            if self._stopping.is_set() or not self._runs_again(code):
                return
            await self._back_off(ran_seconds)

    def _runs_again(self, code: int) -> bool:
        policy = self._sandbox.spec.restart_policy
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _back_off(self, ran_seconds: float) -> None:
        delay = self._backoff.delay(ran_seconds)
        self.status.last, self.status.state = self.status.state, status.waiting("CrashLoopBackOff")
        if delay:
            message = f"back-off {delay:.0f}s restarting failed container={self.spec.name}"
            self._wait_for("CrashLoopBackOff", message)
            await self._sandbox.tell("BackOff", message, "Warning")
        await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def stop(self, grace_seconds: float) -> None:
        """End it, if it runs, and start it no more."""
        self._stopping.set()
        if self._container is not None:
            await self._container.stop(grace_seconds)

    # -- one run -------------------------------------------------------------------------------

    async def _run_once(self) -> tuple[float, int]:
        """Run it once; gives for how long, and its exit code."""
        image = self._context.images.find(self.spec.image)
        restarts = self.status.restarts + self._has_run
        name = f"{self._sandbox.spec.uid}-{self.spec.name}-{restarts}"
        bundle = Bundle(self._sandbox.directory / "containers" / f"{self.spec.name}-{restarts}")
        message_file = self._sandbox.message_file(self.spec.name)
        bundle_made = asyncio.to_thread(bundle.make, image.rootfs)
        try:
            await bundle_made
            config = configuration(*await self._wishes(image, bundle, message_file))
            container = Container(self._context.instance, name, bundle, self._log_file())
            await container.start(config)
            self._has_run, self.status.restarts = True, restarts
            return await self._watch(container, message_file)
        finally:
            self._container = None
            await asyncio.to_thread(bundle.remove)

    async def _wishes(
        self, image: Image, bundle: Bundle, message_file: Path
    ) -> tuple[ContainerSpec, list[str], dict[str, str], Surroundings]:
        spec, sandbox, settings = self.spec, self._sandbox, self._context.settings
        beneath = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": sandbox.host_name,
            **image.env,
            **api_server_variables(settings.api_host, settings.api_port),
        }
        environment = environment_of(
            spec.environment, sandbox.value, await sandbox.sources.data(), beneath
        )
        words = [*(spec.command or image.entrypoint), *spec.arguments]
        if spec.command == () and not image.entrypoint:
            raise NotYetError("CreateContainerError", "no command")
        user, group = user_of(image)
        security = spec.security
        around = Surroundings(
            root=bundle.root,
            network=sandbox.network_path,
            host_name=sandbox.host_name,
            cgroup=f"/{self._context.instance.cgroup}/{sandbox.spec.uid}/{spec.name}",
            user=user if security.user is None else security.user,
            group=group if security.group is None else security.group,
            binds=(
                *sandbox.binds(spec),
                Bind(message_file, spec.message_path),
            ),
        )
        return spec, [expand(word, environment) for word in words], environment, around

    def _log_file(self) -> Path:
        spec = self._sandbox.spec
        logs = self._context.instance.directory / "logs"
        return logs / f"pod-{spec.namespace}-{spec.name}-{self.spec.name}.log"

    async def _watch(self, container: Container, message_file: Path) -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        began_at, began = loop.time(), timestamp()
        self._container = container
        self.status.container_id = f"runc://{container.id}"
        self.status.state = status.running(began)
        self.status.is_started = self.spec.startup is None
        self.status.is_ready = self.status.is_started and self.spec.readiness is None
        self._sandbox.changed()
        if self._stopping.is_set():
            await container.stop(0)
        probes = asyncio.create_task(self._probe_all(container))
        try:
            code = await container.wait()
        finally:
            probes.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probes
        self.status.is_ready = self.status.is_started = False
        self.status.state = status.terminated(
            code, began, timestamp(), self.status.container_id, _message(message_file)
        )
        self._sandbox.changed()
        return loop.time() - began_at, code

    def _wait_for(self, reason: str, message: str) -> None:
        if self.status.kind == "terminated":
            self.status.last = self.status.state
        self.status.state = status.waiting(reason, message)
        self._sandbox.changed()

    # -- probes --------------------------------------------------------------------------------

    async def _probe_all(self, container: Container) -> None:
        spec = self.spec
        namespace, address = self._context.host.namespace, self._sandbox.address
        prober = Prober(namespace, address, spec, container)
        if spec.startup is not None:
            await self._until_started(prober, container, spec.startup)
        kept: list[Awaitable[None]] = []
        if spec.liveness is not None:
            kept.append(self._keep_alive(prober, container, spec.liveness))
        if spec.readiness is not None:
            kept.append(self._keep_ready(prober, spec.readiness))
        await asyncio.gather(*kept)

    async def _until_started(self, prober: Prober, container: Container, spec: ProbeSpec) -> None:
        verdict = Verdict(spec)
        await asyncio.sleep(spec.initial_delay_seconds)
        while True:
            if verdict.take(*await prober.probe(spec)):
                break
            await asyncio.sleep(spec.period_seconds)
        if not verdict.holds:
            await self._kill(container, "Startup", verdict.reason)
            await asyncio.Event().wait()  # the container ends, and this with it
        self.status.is_started = True
        self.status.is_ready = self.spec.readiness is None
        self._sandbox.changed()

    async def _keep_alive(self, prober: Prober, container: Container, spec: ProbeSpec) -> None:
        verdict = Verdict(spec, holds=True)
        await asyncio.sleep(spec.initial_delay_seconds)
        while True:
            await asyncio.sleep(spec.period_seconds)
            if verdict.take(*await prober.probe(spec)) and not verdict.holds:
                await self._kill(container, "Liveness", verdict.reason)
                return

    async def _kill(self, container: Container, what: str, reason: str) -> None:
        message = f"{what} probe failed: {reason}; container {self.spec.name} will be restarted"
        log.info("%s: %s", self._sandbox.spec.name, message)
        await self._sandbox.tell("Unhealthy", message, "Warning")
        await container.stop(self._sandbox.spec.grace_seconds)

    async def _keep_ready(self, prober: Prober, spec: ProbeSpec) -> None:
        verdict = Verdict(spec, holds=False)
        await asyncio.sleep(spec.initial_delay_seconds)
        while True:
            is_good, reason = await prober.probe(spec)
            if verdict.take(is_good, reason):
                self.status.is_ready = bool(verdict.holds)
                self._sandbox.changed()
            await asyncio.sleep(spec.period_seconds)


def _message(path: Path) -> str:
    try:
        return path.read_bytes()[-MESSAGE_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
