"""One pod on its node, from the moment that it is bound to the moment that its object goes.

    read ──► refused: Failed, with the field that the agent does not know
      └────► network and volumes ──► containers ──► deletion or the end of all ──► cleared away

Its status is written when something changed, and again when somebody else wrote another: the
node-lifecycle controller says of the pods of a silent node that they are not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from metallb.kube.client import PatchType
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError, ConflictError, NotFoundError
from metallb_lab import netns
from metallb_lab.objects import PODS
from metallb_lab.pods import status
from metallb_lab.pods.container import ContainerRunner
from metallb_lab.pods.context import ANSWER_SECONDS, timestamp
from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.reading import read_pod
from metallb_lab.pods.sandbox import Sandbox

if TYPE_CHECKING:
    from metallb.kube.client import JsonObject
    from metallb_lab.pods.context import Context

FAULTS = (*TRANSPORT_ERRORS, ApiError)
UNSUPPORTED = "UnsupportedPod"

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod."""

    def __init__(self, context: Context, value: JsonObject) -> None:
        self._context = context
        self._value = value
        self._sandbox: Sandbox | None = None
        self._runners: list[ContainerRunner] = []
        self._started = timestamp()
        self._is_over = False
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._is_gone = False
        self._task = asyncio.create_task(self._run(), name=f"pod {self.name}")
        self._task.add_done_callback(_report)

    @property
    def name(self) -> str:
        """Name of the pod."""
        return str(self._value["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Uid of the pod."""
        return str(self._value["metadata"]["uid"])

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self._task.done()

    async def ended(self) -> None:
        """Wait until nothing is left to do."""
        await asyncio.wait((self._task,))

    def pids(self) -> dict[str, int]:
        """Give the first process of each running container."""
        return {item.spec.name: item.pid for item in self._runners if item.pid}

    # -- what is heard -------------------------------------------------------------------------

    def observe(self, value: JsonObject) -> None:
        """Take in the object as it is now."""
        self._value = value
        if self._sandbox is not None:
            self._sandbox.take(value)
        if value["metadata"].get("deletionTimestamp"):
            self._ending.set()
        if self._differs():
            self._dirty.set()

    def gone(self) -> None:
        """Hear that the object is no more: nothing is to be waited for."""
        self._is_gone = True
        self._ending.set()

    def _differs(self) -> bool:
        seen = self._value.get("status") or {}
        ready = bool(self._runners) and all(item.status.is_ready for item in self._runners)
        return status.is_ready(seen) != ready

    async def crash(self) -> None:
        """End it without a word, as when its node loses power."""
        self._task.cancel()
        for runner in self._runners:
            await runner.stop(0)
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._sandbox is not None:
            await self._sandbox.remove()

    # -- life ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            spec = read_pod(self._value)
        except UnsupportedError as error:
            await self._refuse(str(error))
            return
        seen = self._value.get("status") or {}
        if seen.get("phase") in ("Failed", "Succeeded"):
            await self._finish()
            return
        self._sandbox = Sandbox(self._context, spec, self._value, self._dirty.set, self._tell)
        counts = _restarts(seen)
        self._runners = [
            ContainerRunner(self._context, self._sandbox, item, counts.get(item.name, 0))
            for item in spec.containers
        ]
        speaking = asyncio.create_task(self._speak())
        try:
            await self._live(self._sandbox)
        except UnsupportedError as error:
            await self._sandbox.remove()
            speaking.cancel()
            await self._refuse(str(error))
            return
        finally:
            speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking
        await self._finish()

    async def _live(self, sandbox: Sandbox) -> None:
        self._dirty.set()
        if await self._make(sandbox):
            await self._run_containers(sandbox)
        await sandbox.remove()

    async def _make(self, sandbox: Sandbox) -> bool:
        """Make what the containers need; tell whether they are to run."""
        while not self._ending.is_set():
            try:
                await sandbox.make()
            except NotYetError as error:
                await self._tell(error.reason, str(error), "Warning")
            except (netns.CommandError, OSError) as error:
                await self._tell("FailedCreatePodSandBox", str(error), "Warning")
            else:
                return True
            await self._pause(self._context.settings.retry_seconds)
        return False

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _run_containers(self, sandbox: Sandbox) -> None:
        running = [asyncio.create_task(runner.run()) for runner in self._runners]
        refreshing = asyncio.create_task(self._refresh(sandbox))
        ending = asyncio.create_task(self._ending.wait())
        everything = asyncio.gather(*running)
        try:
            await asyncio.wait((ending, everything), return_when=asyncio.FIRST_COMPLETED)
            if not everything.done():
                await asyncio.gather(*(runner.stop(self._grace()) for runner in self._runners))
            await everything
        finally:
            for task in (refreshing, ending, everything):
                task.cancel()
            await asyncio.gather(refreshing, ending, everything, return_exceptions=True)
        self._is_over = True

    def _grace(self) -> float:
        if self._is_gone or self._sandbox is None:
            return 0.0
        given = self._value["metadata"].get("deletionGracePeriodSeconds")
        return float(self._sandbox.spec.grace_seconds if given is None else given)

    async def _refresh(self, sandbox: Sandbox) -> None:
        while True:
            await asyncio.sleep(self._context.settings.refresh_seconds)
            try:
                await sandbox.refresh()
            except (NotYetError, OSError) as error:
                await self._tell("FailedMount", str(error), "Warning")

    async def _finish(self) -> None:
        """Write the last status; when the pod is to go, let its object go."""
        if self._sandbox is not None and not self._is_gone:
            await self._until_written(self._status())
        await self._ending.wait()
        while not self._is_gone:
            try:
                await self._delete()
                return
            except FAULTS as error:
                log.info("%s: %s", self.name, error)
                await asyncio.sleep(self._context.settings.retry_seconds)

    async def _delete(self) -> None:
        meta = self._value["metadata"]
        body = {
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
            "preconditions": {"uid": meta["uid"]},
        }  # fmt: skip
        with contextlib.suppress(NotFoundError, ConflictError):
            path = PODS.path(meta["namespace"], meta["name"])
            await self._context.client.request("DELETE", path, body=body, timeout=ANSWER_SECONDS)

    # -- what is said --------------------------------------------------------------------------

    async def _refuse(self, message: str) -> None:
        log.warning("%s: %s", self.name, message)
        await self._tell(UNSUPPORTED, message, "Warning")
        await self._until_written(status.refused(UNSUPPORTED, message, self._started))
        await self._finish()

    async def _tell(self, reason: str, message: str, kind: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._context.event(self._value, reason, message, kind)
        except FAULTS as error:
            log.info("%s: no Event: %s", self.name, error)

    def _status(self) -> dict[str, Any]:
        assert self._sandbox is not None
        sandbox, statuses = self._sandbox, [runner.status for runner in self._runners]
        seen = self._value.get("status") or {}
        found = {
            "phase": status.phase_of(sandbox.spec, statuses, is_over=self._is_over),
            "startTime": seen.get("startTime") or self._started,
            "conditions": status.conditions_of(
                seen.get("conditions") or [], statuses, timestamp(), has_sandbox=sandbox.is_made
            ),
            "containerStatuses": [item.to_json() for item in statuses],
        }
        host = self._context.host
        found |= {"hostIP": host.ipv4, "hostIPs": [{"ip": host.ipv4}, {"ip": host.ipv6}]}
        if sandbox.is_made:
            found["podIP"] = sandbox.address
            found["podIPs"] = [{"ip": item} for item in sandbox.addresses]
        return found

    async def _speak(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._until_written(None)

    async def _until_written(self, told: dict[str, Any] | None) -> None:
        """Write a status, or what is so at each try, until the server has it."""
        meta = self._value["metadata"]
        while not self._is_gone:
            body = {"metadata": {"uid": meta["uid"]}, "status": told or self._status()}
            try:
                await self._context.client.request(
                    "PATCH",
                    PODS.path(meta["namespace"], meta["name"], "status"),
                    body=body,
                    content_type=PatchType.MERGE,
                    timeout=ANSWER_SECONDS,
                )
                return
            except (NotFoundError, ConflictError):
                return
            except FAULTS as error:
                log.info("%s: status not written: %s", self.name, error)
                await asyncio.sleep(self._context.settings.retry_seconds)


def _report(task: asyncio.Task[None]) -> None:
    """Say what no pod should bring about: a fault of the agent."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.error("%s: the agent has failed", task.get_name(), exc_info=fault)


def _restarts(seen: dict[str, Any]) -> dict[str, int]:
    """Count the runs of a pod that ran before its node came back."""
    return {
        item["name"]: item["restartCount"] + bool(item.get("containerID"))
        for item in seen.get("containerStatuses") or []
    }
