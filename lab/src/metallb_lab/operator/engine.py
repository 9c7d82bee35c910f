"""One module as it lives in the operator: hooks, values, release (deckhouse-platform.md §3.3).

    run:     CRDs ─► onStartup ─► watches, Synchronization ─► schedules     the first time only
             beforeHelm ─► Helm ─► afterHelm ─┐
                 ▲                            │ values changed
                 └────────────────────────────┘
    events:  hook ─► values changed? ─► run
    delete:  no more events ─► beforeDeleteHelm ─► uninstall ─► afterDeleteHelm ─► all forgotten

A step that fails ends the run, and the queue tries the whole of it again; what belongs to the
first time and has been done is not done again. Hooks of one moment run by their order, then name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metallb_lab.operator.contexts import Reason, binding_contexts
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.crontab import next_due
from metallb_lab.operator.errors import NotYetError, PatchRefusedError, ReleaseError
from metallb_lab.operator.hook_config import MAIN_QUEUE
from metallb_lab.operator.hook_files import hook_paths, register
from metallb_lab.operator.hook_runs import FailedRunError, Inputs, Outputs, run_hook
from metallb_lab.operator.monitors import Mirrors, Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import ApiClient
    from metallb_lab.operator.clock import Clock
    from metallb_lab.operator.helm import Release
    from metallb_lab.operator.hook_config import KubernetesBinding, ScheduleBinding
    from metallb_lab.operator.hook_files import Hook, Interpreter
    from metallb_lab.operator.jq import Jq
    from metallb_lab.operator.kinds import Kinds
    from metallb_lab.operator.metrics import HookMetrics
    from metallb_lab.operator.module import Module
    from metallb_lab.operator.monitors import WatchEvent
    from metallb_lab.operator.operations import Operations
    from metallb_lab.operator.queues import Task, TaskQueue
    from metallb_lab.operator.values import ModuleValues

log = logging.getLogger(__name__)

RUNS_AFTER_HELM = 10
"""Hooks that change the values after each release would never come to an end."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine works with."""

    module: Module
    interpreter: Interpreter
    client: ApiClient
    kinds: Kinds
    jq: Jq
    operations: Operations
    values: ModuleValues
    metrics: HookMetrics
    release: Release
    clock: Clock


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a hook, for those who look on."""

    hook: str
    reasons: tuple[str, ...]
    seconds: float
    values_changed: bool


@dataclass(eq=False)
class HookTask:
    """A hook to be run, for one or more reasons."""

    engine: Engine
    hook: Hook
    reasons: list[Reason]
    allows_failure: bool = False
    done: list[asyncio.Event] = field(default_factory=list)

    def merge(self, other: Task) -> bool:
        """Take in another run of the same hook (§2.5)."""
        if not isinstance(other, HookTask) or other.hook is not self.hook:
            return False
        self.reasons += other.reasons
        self.done += other.done
        return True

    async def run(self) -> None:
        """Run the hook; changed values run the module again."""
        if not self.engine.has(self.hook):
            return  # the module has been disabled since
        changed = await self.engine.run_hook(self.hook, self.reasons)
        for event in self.done:
            event.set()
        if changed:
            self.engine.request_run()


@dataclass(eq=False)
class ModuleTask:
    """The module to be run, or to be deleted."""

    engine: Engine
    deletes: bool = False
    allows_failure: bool = False

    def merge(self, other: Task) -> bool:
        """One run is as good as two."""
        return isinstance(other, ModuleTask) and not self.deletes and not other.deletes

    async def run(self) -> None:
        """Do it."""
        await (self.engine.delete() if self.deletes else self.engine.run())


class Engine:
    """One module; `queue` gives a queue by its name."""

    def __init__(self, parts: Parts, queue: Callable[[str], TaskQueue]) -> None:
        self.parts = parts
        self._queue = queue
        self._hooks: list[Hook] = []
        self._monitors: dict[str, dict[str, Monitor]] = {}
        self._mirrors = Mirrors(parts.client)
        self._schedules: list[asyncio.Task[None]] = []
        self._awaited: list[asyncio.Event] | None = None
        self._is_started = self._is_ending = False
        self.is_on = False
        self.history: list[RunRecord] = []

    # -- what others ask -----------------------------------------------------------------------

    def request_run(self) -> None:
        """See to it that the module is run again, once it has been run at all."""
        main = self._queue(MAIN_QUEUE)
        waiting = any(isinstance(task, ModuleTask) for task in main.waiting())
        if self._is_started and not waiting:
            main.add(ModuleTask(self))

    def has(self, hook: Hook) -> bool:
        """Tell whether a hook is registered and may be run by events and schedules."""
        return hook in self._hooks and not self._is_ending

    @property
    def is_idle(self) -> bool:
        """Whether all changes that arrived have been taken in."""
        monitors = [item for found in self._monitors.values() for item in found.values()]
        for monitor in monitors:
            monitor.check()
        return all(monitor.is_idle for monitor in monitors)

    async def sees_everything(self) -> bool:
        """Tell whether the snapshots show what the API server has at this moment."""
        return await self._mirrors.are_fresh()

    async def inspect_release(self) -> None:
        """Run the module when somebody deleted an object of its release (§3.4)."""
        release = self.parts.release
        if self._is_started and await release.absent(release.manifest):
            self.request_run()

    async def stop(self) -> None:
        """End everything that goes on by itself; nothing in the cluster is changed."""
        for schedule in self._schedules:
            schedule.cancel()
            with suppress(asyncio.CancelledError):
                await schedule
        self._schedules.clear()
        for monitors in self._monitors.values():
            for monitor in monitors.values():
                await monitor.stop()
        self._monitors.clear()
        await self._mirrors.stop()

    # -- a run ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the module to what its values say."""
        self.is_on = True
        if not self._is_started:
            await self._start()
        for _ in range(RUNS_AFTER_HELM):
            await self._run_moment("beforeHelm")
            await self._release()
            if not await self._run_moment("afterHelm"):
                return
        raise ReleaseError(f"values still change after {RUNS_AFTER_HELM} releases in a row")

    async def _start(self) -> None:
        await ensure_crds(self.parts.client, self.parts.module.crds())
        if not self._hooks:
            await self._register()
            await self._run_moment("onStartup")
        await self._watch()
        if self._awaited is None:
            self._awaited = await self._synchronize()
        if not all(done.is_set() for done in self._awaited):
            raise NotYetError("a synchronization in another queue is not done")
        for monitors in self._monitors.values():
            for monitor in monitors.values():
                monitor.unlock()
        for hook in self._hooks:
            for binding in hook.config.schedules:
                self._schedules.append(asyncio.create_task(self._keep_time(hook, binding)))
        self._is_started = True

    async def _register(self) -> None:
        directory = self.parts.module.directory
        self._hooks = [
            await register(path, directory, self.parts.interpreter)
            for path in hook_paths(directory)
        ]

    async def _release(self) -> None:
        faults = self.parts.values.helm_faults()
        if faults:
            raise PatchRefusedError("before Helm: " + "; ".join(map(str, faults)))
        if self.parts.module.has_chart:
            await self.parts.release.upgrade(self.parts.values.values())

    async def _run_moment(self, moment: str) -> bool:
        """Run the hooks of a moment; tell whether the values changed."""
        bound = [hook for hook in self._hooks if moment in hook.config.moments]
        before = self.parts.values.checksum()
        for hook in sorted(bound, key=lambda item: (item.config.moments[moment], item.name)):
            await self.run_hook(hook, [Reason(moment)])
        return self.parts.values.checksum() != before

    # -- watches and schedules -----------------------------------------------------------------

    async def _watch(self) -> None:
        for hook in self._hooks:
            monitors = self._monitors.setdefault(hook.name, {})
            for binding in hook.config.kubernetes:
                if binding.name not in monitors:
                    monitor = Monitor(binding, self.parts.jq, self._teller(hook, binding))
                    await monitor.start(self._mirrors, self.parts.kinds)
                    monitors[binding.name] = monitor

    def _teller(self, hook: Hook, binding: KubernetesBinding) -> Callable[[WatchEvent], None]:
        def tell(event: WatchEvent) -> None:
            reason = Reason(binding.name, "Event", binding.group, binding.include, event)
            task = HookTask(self, hook, [reason], binding.allow_failure)
            self._queue(binding.queue).add(task)

        return tell

    async def _synchronize(self) -> list[asyncio.Event]:
        """Run each hook on what is there already: in `main` here, in its queue otherwise (§3.3).

        Gives what is to be waited for in other queues.
        """
        awaited: list[asyncio.Event] = []
        for hook in self._hooks:
            by_queue: dict[str, list[KubernetesBinding]] = {}
            for binding in hook.config.kubernetes:
                if binding.on_synchronization:
                    by_queue.setdefault(binding.queue, []).append(binding)
            for queue, bindings in by_queue.items():
                reasons = [
                    Reason(item.name, "Synchronization", item.group, item.include)
                    for item in bindings
                ]
                if queue == MAIN_QUEUE:
                    await self.run_hook(hook, reasons)
                    continue
                done = asyncio.Event()
                allows_failure = all(item.allow_failure for item in bindings)
                self._queue(queue).add(HookTask(self, hook, reasons, allows_failure, [done]))
                if any(item.waits for item in bindings) and not allows_failure:
                    awaited.append(done)
        return awaited

    async def _keep_time(self, hook: Hook, binding: ScheduleBinding) -> None:
        clock = self.parts.clock
        while True:
            await clock.wait_until(next_due(binding.crontab, clock.now()))
            reason = Reason(binding.name, "Schedule", binding.group, binding.include)
            self._queue(binding.queue).add(HookTask(self, hook, [reason], binding.allow_failure))

    # -- one hook ------------------------------------------------------------------------------

    async def run_hook(self, hook: Hook, reasons: list[Reason]) -> bool:
        """Run a hook and do what it wants; tell whether the values changed."""
        parts = self.parts
        monitors = self._monitors.get(hook.name, {})
        snapshots = {name: monitor.snapshot() for name, monitor in monitors.items()}
        contexts = binding_contexts(hook.config, reasons, snapshots)
        inputs = Inputs(contexts, parts.values.values(), parts.values.config_values())
        started_at = time.monotonic()
        try:
            outputs = await run_hook(hook, parts.interpreter, inputs)
        except FailedRunError as failure:
            await parts.operations.apply(failure.outputs.kubernetes)
            raise
        seconds = time.monotonic() - started_at
        changed = await self._take(hook, outputs)
        names = tuple(f"{item.binding}{'/' if item.type else ''}{item.type}" for item in reasons)
        self.history.append(RunRecord(hook.name, names, seconds, changed))
        return changed

    async def _take(self, hook: Hook, outputs: Outputs) -> bool:
        if outputs.config_values_patch:
            raise PatchRefusedError(f"{hook.name}: this runner lets no hook change settings (§2.7)")
        self.parts.metrics.apply(hook.name, outputs.metrics)
        await self.parts.operations.apply(outputs.kubernetes)
        return bool(outputs.values_patch) and self.parts.values.patch(outputs.values_patch)

    # -- the end -------------------------------------------------------------------------------

    async def delete(self) -> None:
        """Take the module off; the pair of moments is for a release that exists (§2.4)."""
        self._is_started, self._is_ending = False, True
        if await self.parts.release.revision() is not None:
            await self._run_moment("beforeDeleteHelm")
            await self.parts.release.uninstall()
            await self._run_moment("afterDeleteHelm")
        await self.stop()
        self._hooks = []
        self._awaited = None
        self.is_on = self._is_ending = False
        self.parts.values.forget_patches()
        self.parts.metrics.clear()


def values_of(engine: Engine) -> dict[str, Any]:
    """Give the module's own values."""
    values = engine.parts.values
    found: dict[str, Any] = values.values()[values.key]
    return found
