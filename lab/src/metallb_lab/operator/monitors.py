"""Objects that hooks watch: what is there, and what has changed (deckhouse-platform.md §2.4, §2.5).

    API server ──► Mirror, one for each selection ──► Monitor, one for each binding
                                                        jqFilter, snapshot, events

A monitor holds for each object its filter result and, unless the binding says otherwise, the
object. An event is only one when the filter result has changed (the whole object where there is
no filter). Events are held back until the hook's synchronization has been done: `unlock`.
Snapshots are sorted by namespace and name.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.kube.reflector import Reflector

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import ApiClient, JsonObject, Resource
    from metallb.kube.reflector import Key
    from metallb_lab.operator.hook_config import KubernetesBinding
    from metallb_lab.operator.jq import Jq
    from metallb_lab.operator.kinds import Kinds

Change = tuple["Key", "JsonObject | None"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a mirror mirrors."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    def selectors(self) -> dict[str, Any]:
        """Give the query's words."""
        words = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in words.items() if value}


@dataclass(frozen=True, slots=True)
class Watched:
    """One object of a snapshot."""

    object: JsonObject | None
    filter_result: Any
    has_filter: bool

    def to_object(self) -> dict[str, Any]:
        """Give it as binding contexts have it."""
        found: dict[str, Any] = {}
        if self.object is not None:
            found["object"] = self.object
        if self.has_filter:
            found["filterResult"] = self.filter_result
        return found


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A change that a hook is to hear of."""

    kind: str
    watched: Watched


class Mirrors:
    """Mirrors of the API server, one for each selection, whoever asks."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._found: dict[Selection, Mirror] = {}

    def mirror(self, selection: Selection) -> Mirror:
        """Give the mirror of a selection, started when it is first asked for."""
        if selection not in self._found:
            self._found[selection] = Mirror(self._client, selection)
        return self._found[selection]

    async def stop(self) -> None:
        """End all of them."""
        for mirror in self._found.values():
            await mirror.stop()
        self._found.clear()

    async def are_fresh(self) -> bool:
        """Tell whether they show what the server has at this moment."""
        for mirror in list(self._found.values()):
            if not await mirror.is_fresh():
                return False
        return True


class Mirror:
    """One reflector with any number of listeners."""

    def __init__(self, client: ApiClient, selection: Selection) -> None:
        self._client = client
        self._selection = selection
        self._listeners: list[Callable[[Change], None]] = []
        self._reflector: Reflector[JsonObject] = Reflector(
            client,
            selection.resource,
            lambda value: value,
            self._on_change,
            chance=random.random,
            namespace=selection.namespace,
            **selection.selectors(),
        )
        self.synced = self._reflector.synced
        self._task = asyncio.create_task(self._reflector.run())

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Hear of what is there already, and of changes."""
        for value in self._reflector:
            listener((_key_of(value), value))
        self._listeners.append(listener)

    def _on_change(self, key: Key, old: JsonObject | None, new: JsonObject | None) -> None:
        for listener in self._listeners:
            listener((key, new))

    async def stop(self) -> None:
        """End the watch."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def is_fresh(self) -> bool:
        """Tell whether the mirror shows what the server has at this moment."""
        selection = self._selection
        there: dict[Key, str] = {}
        pages = self._client.list_pages(
            selection.resource, selection.namespace, **selection.selectors()
        )
        async for page in pages:
            there.update((_key_of(item), _version_of(item)) for item in page.items)
        return there == {_key_of(item): _version_of(item) for item in self._reflector}


class Monitor:
    """One binding of one hook."""

    def __init__(
        self, binding: KubernetesBinding, jq: Jq, on_event: Callable[[WatchEvent], None]
    ) -> None:
        self.binding = binding
        self._jq = jq
        self._on_event = on_event
        self._mirrors: list[Mirror] = []
        self._changes: list[Change] = []
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._objects: dict[Key, tuple[Watched, str]] = {}
        self._held_back: list[WatchEvent] | None = []
        self._task: asyncio.Task[None] | None = None

    async def start(self, mirrors: Mirrors, kinds: Kinds) -> None:
        """Watch, and come back when all has been seen; raises UnknownKindError, HookError."""
        binding = self.binding
        resource = await kinds.resource(binding.kind, binding.api_version)
        for namespace in binding.namespaces or ("",):
            for fields in _field_selectors(binding):
                selection = Selection(resource, namespace, binding.label_selector, fields)
                self._mirrors.append(mirrors.mirror(selection))
        for mirror in self._mirrors:
            await mirror.synced.wait()
            mirror.listen(self._on_change)
        await self._take_in()
        self._held_back = []
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End what `start` began."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def unlock(self) -> None:
        """Let events through, those held back first."""
        held, self._held_back = self._held_back or [], None
        for event in held:
            self._on_event(event)

    def snapshot(self) -> list[dict[str, Any]]:
        """Give all objects, as binding contexts have them."""
        return [self._objects[key][0].to_object() for key in sorted(self._objects)]

    @property
    def is_idle(self) -> bool:
        """Whether every change that arrived has been taken in."""
        return not self._changes and self._idle.is_set()

    def check(self) -> None:
        """Raise what ended the monitor, if something did."""
        if self._task is not None and self._task.done():
            self._task.result()

    # -- changes -------------------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        self._changes.append(change)
        self._idle.clear()
        self._wakeup.set()

    async def _follow(self) -> None:
        while True:
            self._wakeup.clear()
            await self._take_in()
            await self._wakeup.wait()

    async def _take_in(self) -> None:
        while self._changes:
            changes, self._changes = self._changes, []
            values = [value for _, value in changes if value is not None]
            results = iter(await self._filtered(values))
            for key, value in changes:
                if value is None:
                    self._remove(key)
                else:
                    self._keep(key, value, next(results))
        self._idle.set()

    async def _filtered(self, values: list[JsonObject]) -> list[Any]:
        if not self.binding.jq:
            return [None] * len(values)
        return await self._jq.filter(self.binding.jq, values)

    def _keep(self, key: Key, value: JsonObject, result: Any) -> None:
        has_filter = bool(self.binding.jq)
        kept = value if self.binding.keeps_objects else None
        watched = Watched(kept, result, has_filter)
        mark = json.dumps(result if has_filter else value, sort_keys=True)
        before = self._objects.get(key)
        self._objects[key] = (watched, mark)
        if before is None:
            self._tell("Added", watched)
        elif before[1] != mark:
            self._tell("Modified", watched)

    def _remove(self, key: Key) -> None:
        before = self._objects.pop(key, None)
        if before is not None:
            self._tell("Deleted", before[0])

    def _tell(self, kind: str, watched: Watched) -> None:
        if kind not in self.binding.events:
            return
        event = WatchEvent(kind, watched)
        if self._held_back is None:
            self._on_event(event)
        else:
            self._held_back.append(event)


def _field_selectors(binding: KubernetesBinding) -> list[str]:
    """Give one selector for each name, as the operator watches each by itself."""
    if not binding.names:
        return [binding.field_selector]
    more = [binding.field_selector] if binding.field_selector else []
    return [",".join([f"metadata.name={name}", *more]) for name in binding.names]


def _key_of(value: JsonObject) -> Key:
    meta = value["metadata"]
    return meta.get("namespace") or "", meta["name"]


def _version_of(value: JsonObject) -> str:
    return str(value["metadata"]["resourceVersion"])
