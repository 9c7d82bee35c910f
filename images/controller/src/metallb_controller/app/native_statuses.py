"""Keeps the objects that MetalLB's tools read: see `metallb_controller.reconcile.native_statuses`.

What was edited or deleted by hand is put back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_controller.app.following import Follower
from metallb_controller.app.resources import (
    BGP_STATUSES,
    CONFIGURATION_STATES,
    LAYER2_STATUSES,
    VIRTUAL_IPS,
)
from metallb_controller.reconcile.native_statuses import (
    bgp_statuses,
    configuration_states,
    difference,
    layer2_statuses,
    left_behind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metallb.api.fields import JsonObject
    from metallb.kube.client import ApiClient, Resource
    from metallb.kube.reflector import Reflector
    from metallb_controller.reconcile.engine import Reconciler
    from metallb_controller.reconcile.native_statuses import NativeStatus
    from metallb_controller.reconcile.validity import Validity


_KINDS = {
    LAYER2_STATUSES: "ServiceL2Status",
    BGP_STATUSES: "ServiceBGPStatus",
    CONFIGURATION_STATES: "ConfigurationState",
}


class NativeStatuses(Follower):
    """All kinds, in the module's namespace; `mirrors` give pairs of name and status.

    `ConfigurationState`s wait until all objects have been judged.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        reconciler: Reconciler,
        mirrors: Mapping[Resource, Reflector[Any]],
        wall_clock: Callable[[], str],
        validity: Validity,
        is_judged: Callable[[], bool],
    ) -> None:
        super().__init__(mirrors.values())
        self._client = client
        self._namespace = namespace
        self._reconciler = reconciler
        self._mirrors = mirrors
        self._wall_clock = wall_clock
        self._validity = validity
        self._is_judged = is_judged

    async def _look(self) -> None:
        observed, validity = self._reconciler.observed, self._validity
        vips, present = observed.vips.values(), observed.roll.present
        await self._keep(LAYER2_STATUSES, layer2_statuses(vips))
        await self._keep(BGP_STATUSES, bgp_statuses(vips, present))
        await self._forget(left_behind(vips, present))
        if self._is_judged():
            catalogue = self._reconciler.catalogue
            faults = validity.faults(catalogue.all_problems(), catalogue.refusals())
            speakers = sorted(observed.roll.present)
            states = configuration_states(faults, speakers, validity.concerns)
            await self._keep(CONFIGURATION_STATES, states)

    async def _keep(self, resource: Resource, wanted: Mapping[str, NativeStatus]) -> None:
        present: dict[str, JsonObject] = dict(iter(self._mirrors[resource]))
        found = difference(wanted, present)
        for item in found.missing:
            await self._write(resource, item, self._create(resource, item))
        for item in found.changed:
            await self._write(resource, item, self._patch(resource, item, present[item.name]))
        for name in found.surplus:
            await self._write(resource, name, self._delete(resource, name))

    async def _forget(self, left: Mapping[str, Sequence[str]]) -> None:
        """Remove from VirtualIPs what nodes that are gone said there; they cannot do it."""
        for name, nodes in left.items():
            body = {"status": {"bgp": dict.fromkeys(nodes)}}
            request = self._client.patch(VIRTUAL_IPS, name, body, subresource="status")
            await self._write(VIRTUAL_IPS, name, request)

    async def _create(self, resource: Resource, item: NativeStatus) -> None:
        body = {
            "apiVersion": f"{resource.group}/{resource.version}",
            "kind": _KINDS[resource],
            "metadata": {"name": item.name, "labels": dict(item.labels)},
        }
        await self._client.create(resource, body, self._namespace)
        await self._patch(resource, item, {})

    async def _patch(self, resource: Resource, item: NativeStatus, before: JsonObject) -> None:
        status = _stamped(item.status, before, self._wall_clock())
        await self._client.patch(
            resource, item.name, {"status": status}, namespace=self._namespace, subresource="status"
        )

    async def _delete(self, resource: Resource, name: str) -> None:
        await self._client.delete(resource, name, self._namespace)


def read_status(value: JsonObject) -> tuple[str, JsonObject]:
    """Read one of the objects: its name and status."""
    return value["metadata"]["name"], value.get("status") or {}


def _stamped(status: JsonObject, before: JsonObject, now: str) -> JsonObject:
    """Give conditions their times: kept while the status of one stays, else now."""
    if "conditions" not in status:
        return status
    known = {
        (item.get("type"), item.get("status")): item.get("lastTransitionTime")
        for item in before.get("conditions") or ()
        if isinstance(item, dict)
    }
    conditions = [
        {**item, "lastTransitionTime": known.get((item["type"], item["status"])) or now}
        for item in status["conditions"]
    ]
    return {**status, "conditions": conditions}
