"""The module operator of the lab: what a test or the demo holds.

    async with ModuleOperator(kubeconfig, directory, ModuleConfig(settings={...}, version=3)) as op:
        await op.converged()
        await op.configure({"logLevel": "Debug"}, 3)
        op.values, op.metrics, op.history
        await op.disable()

It does with one module's directory what Deckhouse's addon-operator does, on any API server that a
kubeconfig leads to: a real one, or the embedded one. The user's words come by the ModuleConfig
object, whoever writes it. `configure` asks first whether the settings are right, as Deckhouse's
admission does, and raises SettingsRefusedError; settings that came past it and are wrong change
nothing either, and `settings_error` tells why.

Leaving the context ends the operator and leaves the module in the cluster as it is; a new operator
on it finds the release and goes on, as after a restart. Limits: one module, no dependencies
between modules, no `enabled` script, no batch hooks; what is not known is refused, not ignored.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from metallb.kube.client import ApiClient
from metallb.kube.config import load_connection
from metallb.kube.reflector import Reflector
from metallb_lab import tools
from metallb_lab.operator.clock import SystemClock
from metallb_lab.operator.engine import Engine, HookTask, ModuleTask, Parts, values_of
from metallb_lab.operator.errors import NotConvergedError, SettingsRefusedError
from metallb_lab.operator.helm import Chart, Release
from metallb_lab.operator.hook_config import MAIN_QUEUE
from metallb_lab.operator.hook_files import interpreter_for
from metallb_lab.operator.jq import Jq
from metallb_lab.operator.kinds import Kinds
from metallb_lab.operator.metrics import HookMetrics
from metallb_lab.operator.module import load_module
from metallb_lab.operator.operations import Operations
from metallb_lab.operator.platform import REGISTRY, ensure_platform, global_values
from metallb_lab.operator.queues import Patience, TaskQueue
from metallb_lab.operator.settings import (
    MODULE_CONFIGS,
    ModuleConfig,
    SettingsReader,
    read_module_config,
    write_module_config,
)
from metallb_lab.operator.values import ModuleValues

if TYPE_CHECKING:
    from metallb.kube.client import JsonObject
    from metallb.kube.reflector import Key
    from metallb_lab.operator.clock import Clock
    from metallb_lab.operator.engine import RunRecord
    from metallb_lab.operator.queues import Task

CONVERGE_SECONDS = 120.0
FAILURES_BORNE = 3
INSPECTION_SECONDS = 300.0


class SettingsTask:
    """Takes in what the ModuleConfig says now."""

    allows_failure = False

    def __init__(self, operator: ModuleOperator) -> None:
        self._operator = operator

    def merge(self, other: Task) -> bool:
        """Only the last word counts, and it is read when the task runs."""
        return isinstance(other, SettingsTask)

    async def run(self) -> None:
        """Do it."""
        await self._operator.take_in_settings()


class ModuleOperator:
    """Runs one module; use as an async context manager."""

    def __init__(
        self,
        kubeconfig: Path,
        directory: Path,
        config: ModuleConfig | None = None,
        *,
        shared: dict[str, Any] | None = None,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`config` is written when the operator starts; without one, what the cluster has holds.

        `shared` is laid over the values under `global`.
        """
        self._kubeconfig = kubeconfig
        self._patience = patience or Patience()
        self._first_config = config
        self._directory = Path(tempfile.mkdtemp(prefix="operator-"))
        self._client = ApiClient(
            load_connection(str(kubeconfig)), user_agent="module-operator", max_connections=0
        )
        self._module = load_module(directory)
        gojq = tools.find("gojq")
        self._reader = SettingsReader(self._module, gojq)
        self._queues: dict[str, TaskQueue] = {}
        self._engine = Engine(
            self._parts(Jq(gojq), shared or {}, clock or SystemClock()), self._queue
        )
        self._changed = asyncio.Event()
        self._config = ModuleConfig(enabled=False)
        self._written_version = self._seen_version = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._mirror: Reflector[JsonObject] = Reflector(
            self._client,
            MODULE_CONFIGS,
            lambda value: value,
            self._on_config,
            chance=random.random,
            fieldSelector=f"metadata.name={self._module.name}",
        )
        self.settings_error: SettingsRefusedError | None = None

    def _parts(self, jq: Jq, shared: dict[str, Any], clock: Clock) -> Parts:
        module = self._module
        python = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{python}:{os.environ['PATH']}"}
        environment.pop("KUBECONFIG", None)
        kinds = Kinds(self._client)
        chart = Chart(module.name, module.directory, module.key)
        return Parts(
            module=module,
            interpreter=interpreter_for(module.directory, self._directory, environment),
            client=self._client,
            kinds=kinds,
            jq=jq,
            operations=Operations(self._client, kinds, jq),
            values=ModuleValues(module.key, module.schemas, global_values(module, shared)),
            metrics=HookMetrics(module.name),
            release=Release(
                chart, tools.find("helm"), self._kubeconfig, self._client, kinds, environment
            ),
            clock=clock,
        )

    # -- what can be seen ----------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """The module's values: settings, defaults, what hooks found."""
        return values_of(self._engine)

    @property
    def metrics(self) -> HookMetrics:
        """The series that hooks gave."""
        return self._engine.parts.metrics

    @property
    def release(self) -> Release:
        """The release of the module."""
        return self._engine.parts.release

    @property
    def history(self) -> list[RunRecord]:
        """All runs of hooks."""
        return self._engine.history

    @property
    def is_on(self) -> bool:
        """Whether the module is enabled and has been begun with."""
        return self._engine.is_on

    # -- start and stop ------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await ensure_platform(self._client, self._engine.parts.kinds)
            if self._first_config is not None:
                await self._write(self._first_config)
            self._tasks = [
                asyncio.create_task(self._mirror.run()),
                asyncio.create_task(self._inspect_release()),
            ]
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for queue in list(self._queues.values()):
            await queue.stop()
        await self._engine.stop()
        await self._client.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _inspect_release(self) -> None:
        while True:
            await asyncio.sleep(INSPECTION_SECONDS * random.uniform(0.9, 1.1))
            await self._engine.inspect_release()

    async def inspect_release(self) -> None:
        """Look now for objects of the release that somebody deleted."""
        await self._engine.inspect_release()

    # -- what a user does ----------------------------------------------------------------------

    async def configure(self, settings: dict[str, Any], version: int | None) -> None:
        """Write settings, if they are right; raises SettingsRefusedError and changes nothing."""
        config = ModuleConfig(enabled=True, settings=settings, version=version)
        await asyncio.to_thread(self._reader.read, config, self._engine.parts.values.settings)
        await self._write(config)

    async def disable(self) -> None:
        """Disable the module and wait until it is off."""
        config = self._config
        await self._write(ModuleConfig(False, config.settings, config.version))
        await self.converged()

    async def _write(self, config: ModuleConfig) -> None:
        version = await write_module_config(self._client, self._module.name, config)
        self._written_version = int(version)

    # -- settings ------------------------------------------------------------------------------

    def _on_config(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        self._config = read_module_config(new)
        if new is not None:
            self._seen_version = int(new["metadata"]["resourceVersion"])
        self._queue(MAIN_QUEUE).add(SettingsTask(self), first=True)

    async def take_in_settings(self) -> None:
        """Make the last words of the user those in force, if they are right."""
        values, main = self._engine.parts.values, self._queue(MAIN_QUEUE)
        config = self._config
        if not config.enabled:
            if self._engine.is_on:
                for queue in self._queues.values():
                    queue.drop(lambda task: isinstance(task, HookTask | ModuleTask))
                main.add(ModuleTask(self._engine, deletes=True))
            return
        try:
            settings = await asyncio.to_thread(self._reader.read, config, values.settings)
        except SettingsRefusedError as error:
            self.settings_error = error
            return
        self.settings_error = None
        before = values.checksum()
        values.set_settings(settings, REGISTRY)
        if not self._engine.is_on:
            main.add(ModuleTask(self._engine))
        elif values.checksum() != before:
            self._engine.request_run()

    def waiting_tasks(self) -> int:
        """Count the tasks that have not begun."""
        return sum(len(queue.waiting()) for queue in self._queues.values())

    # -- rest ----------------------------------------------------------------------------------

    def _queue(self, name: str) -> TaskQueue:
        if name not in self._queues:
            self._queues[name] = TaskQueue(name, self._patience, lambda: self._changed.set())
        return self._queues[name]

    async def converged(self, seconds: float = CONVERGE_SECONDS) -> None:
        """Wait until nothing is left to do and the snapshots show what the API server has.

        Raises NotConvergedError, with the last failure, when a task fails again and again or time
        runs out.
        """
        before = {name: queue.failures_ever for name, queue in self._queues.items()}
        try:
            async with asyncio.timeout(seconds):
                while not await self._is_at_rest():
                    self._raise_failures(before, FAILURES_BORNE)
                    self._changed.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await self._changed.wait()
        except TimeoutError:
            self._raise_failures({}, 1)
            raise NotConvergedError(f"no rest in {seconds} s: {self._busy()}") from None

    async def _is_at_rest(self) -> bool:
        for task in self._tasks:
            if task.done():
                task.result()
        if self._seen_version < self._written_version or not self._is_idle():
            return False
        return await self._engine.sees_everything() and self._is_idle()

    def _is_idle(self) -> bool:
        queues = self._queues.values()
        return (
            self._mirror.synced.is_set()
            and all(queue.is_idle for queue in queues)
            and self._engine.is_idle
        )

    def _raise_failures(self, before: dict[str, int], borne: int) -> None:
        for name, queue in self._queues.items():
            since = queue.failures_ever - before.get(name, 0)
            if queue.last_failure is not None and min(since, queue.failures) >= borne:
                raise NotConvergedError(f"{name}: {queue.last_failure}")

    def _busy(self) -> str:
        busy = [name for name, queue in self._queues.items() if not queue.is_idle]
        return f"queues {', '.join(busy)}" if busy else "the snapshots are behind"
