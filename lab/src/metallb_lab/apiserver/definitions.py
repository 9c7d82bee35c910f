"""The life of CRDs: accepted, served, changed, taken down.

What controllers do beside the real API server is done here right after each write: names are
settled, served versions put into the registry, and a deleted CRD goes once its objects have gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metallb_lab.apiserver.custom import names
from metallb_lab.apiserver.custom.strategy import custom_resources
from metallb_lab.apiserver.documents import copied, now
from metallb_lab.apiserver.store import Event, Key, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.resources import Resource

TABLE = "customresourcedefinitions.apiextensions.k8s.io"


class Definitions:
    """Watches the CRDs of a store."""

    def __init__(
        self, store: Store, registry: Registry, withdrawn: Callable[[list[Resource]], None]
    ) -> None:
        self._store = store
        self._registry = registry
        self._withdrawn = withdrawn
        self._table = store.table(TABLE)
        self._purges: dict[str, Callable[[], None]] = {}
        self._served: dict[str, object] = {}
        self._table.subscribe(self._changed)

    def _changed(self, event: Event) -> None:
        """Follows each write of a CRD; the consequences come after it, as in the real server."""
        self._again(event.stored.key.name)

    def _again(self, name: str) -> None:
        asyncio.get_running_loop().call_soon(self._settle, name)

    def _settle(self, name: str) -> None:
        key = Key("", name)
        stored = self._table.get(key)
        if stored is None:
            self._withdrawn(self._registry.withdraw(name))
            return
        crd = stored.value
        if "deletionTimestamp" in crd["metadata"]:
            for resource in self._registry.served_by(name):
                resource.terminating = True
            self._purge(name, crd)
            return
        settled = names.settled(crd, (s.value for s in self._table.scan()), now())
        if settled["status"] != crd["status"]:
            self._table.put(key, settled)
            return
        if names.is_true(crd, "Established"):
            self._serve(name, crd)

    def _serve(self, name: str, crd: Document) -> None:
        """Puts the versions into the registry unless nothing about them has changed."""
        revision = [crd["spec"], crd["status"]["acceptedNames"]]
        if self._served.get(name) == revision:
            return
        self._served[name] = copied(revision)
        self._withdrawn(self._registry.withdraw(name))
        self._registry.serve(name, custom_resources(crd))

    # ------------------------------------------------------------ going

    def _purge(self, name: str, crd: Document) -> None:
        """Deletes the objects; those with finalizers keep the CRD until they have gone."""
        spec = crd["spec"]
        table_name = f"{spec['names']['plural']}.{spec['group']}"
        table = self._store.table(table_name)
        for stored in list(table.scan()):
            new = copied(stored.value)
            if new["metadata"].get("finalizers"):
                if "deletionTimestamp" not in new["metadata"]:
                    new["metadata"]["deletionTimestamp"] = now()
                    new["metadata"]["deletionGracePeriodSeconds"] = 0
                    new["metadata"]["generation"] = new["metadata"].get("generation", 0) + 1
                    table.put(stored.key, new)
            else:
                table.remove(stored.key)
        if len(table):
            if name not in self._purges:
                self._purges[name] = table.subscribe(lambda event: self._again(name))
            return
        if (stop := self._purges.pop(name, None)) is not None:
            stop()
        self._served.pop(name, None)
        self._withdrawn(self._registry.withdraw(name))
        self._store.drop(table_name)
        finalizers = [f for f in crd["metadata"].get("finalizers", ()) if f != names.FINALIZER]
        if finalizers:
            if finalizers != crd["metadata"].get("finalizers"):
                new = copied(crd)
                new["metadata"]["finalizers"] = finalizers
                self._table.put(Key("", name), new)
            return
        self._table.remove(Key("", name))
