"""A cluster without a network: objects, writes with their preconditions, and leaders that see it
late.

`World` is the API server as the reconciler needs it: versions, generations, unique names. A
`Leader` is a reconciler with its own, possibly late, view: `deliver` gives it the oldest change
that it has not seen, `step` lets it decide, `execute` carries out one of its writes. A write may
also be lost before or after it took effect, and a leader may crash, or go on for a while after
another has taken over.

After each write the world checks what must always hold (`World.check`).
"""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING, Any

from metallb.api.bgp_advertisements import read_bgp_advertisement
from metallb.api.classes import read_class
from metallb.api.conditions import ServiceCondition
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.layer2_advertisements import read_l2_advertisement
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_pools import read_load_balancer_pool
from metallb.api.meta import ObjectKey
from metallb.api.namespaces import read_namespace
from metallb.api.nodes import NodeName, read_endpoint_slice, read_node
from metallb.api.services import ALLOCATED_FROM_ANNOTATION, ingress_object, read_service
from metallb.api.speakers import read_speaker
from metallb.api.virtual_ips import VirtualIP, read_virtual_ip, spec_object, to_object
from metallb.net.addresses import address_from_name, object_name, parse_address
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Outcome,
    PatchPoolStatus,
    PatchServiceStatus,
    PostEvent,
    ReconcilerSettings,
    Result,
    UpdateVirtualIP,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_controller.reconcile.model import Write
    from support.objects import JsonObject

_CONFIGS: dict[str, tuple[ConfigKind, Callable[[JsonObject], Any]]] = {
    "MetalLoadBalancerClass": (ConfigKind.CLASSES, read_class),
    "MetalLoadBalancerPool": (ConfigKind.POOLS, read_load_balancer_pool),
    "MetalLoadBalancerConfiguration": (
        ConfigKind.CONFIGURATIONS,
        read_load_balancer_configuration,
    ),
    "BGPAdvertisement": (ConfigKind.BGP_ADVERTISEMENTS, read_bgp_advertisement),
    "IPAddressPool": (ConfigKind.NATIVE_POOLS, read_ip_address_pool),
    "L2Advertisement": (ConfigKind.LAYER2_ADVERTISEMENTS, read_l2_advertisement),
}
"""Objects that pools are made of."""

WALL = "2026-01-01T00:00:00Z"
Ref = tuple[str, str, str]
"""Kind, namespace, name."""


class World:
    """The objects of a cluster, and their history."""

    def __init__(self) -> None:
        self.objects: dict[Ref, JsonObject] = {}
        self.version = 0
        self.history: list[tuple[Ref, JsonObject | None, JsonObject | None]] = []
        self.versions: list[int] = []
        self.events: list[PostEvent] = []
        self.writes = 0
        self.is_checked = True
        self._read: dict[str, VirtualIP] = {}

    # -- what people and other controllers do ------------------------------------------------------

    def put(self, value: JsonObject) -> None:
        """Create an object, or replace its spec and metadata, as kubectl would."""
        meta = value["metadata"]
        ref = (value["kind"], meta.get("namespace", ""), meta["name"])
        before = self.objects.get(ref)
        made = copy.deepcopy(value)
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        if before is None:
            made["metadata"]["uid"] = f"{meta['name']}-{self.version}"
            made["metadata"]["generation"] = 1
        else:
            changed = before.get("spec") != made.get("spec")
            generation = before["metadata"].get("generation", 1) + changed
            made["metadata"] |= {"uid": before["metadata"]["uid"], "generation": generation}
            if value["kind"] == "Service" or value["kind"] in _CONFIGS:
                made["status"] = copy.deepcopy(before.get("status", {}))
        self._commit(ref, made)

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object if it is there."""
        ref = (kind, namespace, name)
        if ref in self.objects:
            self.version += 1
            self._commit(ref, None)

    def _commit(self, ref: Ref, value: JsonObject | None) -> None:
        before = self.objects.get(ref)
        if value is None:
            del self.objects[ref]
        else:
            self.objects[ref] = value
        self.history.append((ref, before, value))
        self.versions.append(self.version)

    # -- what the reconciler writes ----------------------------------------------------------------

    def execute(self, write: Write) -> tuple[Outcome, JsonObject | None]:
        """Carry out a write as the API server does; gives the outcome and the answer."""
        self.writes += 1
        match write:
            case CreateVirtualIP():
                outcome = self._create(write)
            case UpdateVirtualIP():
                outcome = self._update(write)
            case DeleteVirtualIP():
                outcome = self._delete(write)
            case PatchServiceStatus():
                outcome = self._patch_service(write)
            case PatchPoolStatus():
                outcome = self._patch_pool(write)
        if self.is_checked:
            self.check()
        return outcome

    def _create(self, write: CreateVirtualIP) -> tuple[Outcome, JsonObject | None]:
        ref = ("VirtualIP", "", write.vip.name)
        if ref in self.objects:
            return Outcome.EXISTS, self.objects[ref]
        self.put(to_object(write.vip))
        return Outcome.DONE, self.objects[ref]

    def _update(self, write: UpdateVirtualIP) -> tuple[Outcome, JsonObject | None]:
        ref = ("VirtualIP", "", write.before.name)
        found = self.objects.get(ref)
        if found is None:
            return Outcome.GONE, None
        meta = write.before.meta
        seen = (meta.uid, meta.generation)
        if (found["metadata"]["uid"], found["metadata"]["generation"]) != seen:
            return Outcome.STALE, None
        self.put({**found, "spec": spec_object(write.spec)})
        return Outcome.DONE, self.objects[ref]

    def _delete(self, write: DeleteVirtualIP) -> tuple[Outcome, JsonObject | None]:
        ref = ("VirtualIP", "", write.vip.name)
        found = self.objects.get(ref)
        if found is None:
            return Outcome.DONE, None
        meta = write.vip.meta
        if (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) != (
            meta.uid,
            meta.resource_version,
        ):
            return Outcome.STALE, None
        self.delete(*ref[:1], name=ref[2])
        return Outcome.DONE, None

    def _patch_service(self, write: PatchServiceStatus) -> tuple[Outcome, JsonObject | None]:
        key = write.target.key
        ref = ("Service", key.namespace, key.name)
        found = self.objects.get(ref)
        if found is None:
            return Outcome.GONE, None
        if found["metadata"]["resourceVersion"] != write.resource_version:
            return Outcome.STALE, None
        made = copy.deepcopy(found)
        status = made.setdefault("status", {})
        if write.addresses is not None:
            status["loadBalancer"] = {"ingress": ingress_object(write.addresses, write.hostnames)}
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        conditions |= {item.type: item.to_object() for item in write.conditions}
        status["conditions"] = [v for k, v in conditions.items() if k not in write.removed]
        if write.allocated_from is not None:
            annotations = made["metadata"].setdefault("annotations", {})
            annotations.pop(ALLOCATED_FROM_ANNOTATION, None)
            if write.allocated_from:
                annotations[ALLOCATED_FROM_ANNOTATION] = write.allocated_from
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self._commit(ref, made)
        return Outcome.DONE, made

    def _patch_pool(self, write: PatchPoolStatus) -> tuple[Outcome, JsonObject | None]:
        ref = (write.target.kind.value, *write.target.key)
        found = self.objects.get(ref)
        if found is None:
            return Outcome.GONE, None
        if found["metadata"]["resourceVersion"] != write.resource_version:
            return Outcome.STALE, None
        made = copy.deepcopy(found)
        made["status"] = copy.deepcopy(dict(write.status))
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self._commit(ref, made)
        return Outcome.DONE, made

    # -- what is there -----------------------------------------------------------------------------

    def vips(self) -> dict[str, VirtualIP]:
        """Give the ledger, by object name."""
        return {
            name: self._vip(value)
            for (kind, _, name), value in self.objects.items()
            if kind == "VirtualIP"
        }

    def _vip(self, value: JsonObject) -> VirtualIP:
        version = value["metadata"]["resourceVersion"]
        if version not in self._read:
            found = read_virtual_ip(value)
            assert isinstance(found, VirtualIP)
            self._read[version] = found
        return self._read[version]

    def service(self, name: str, namespace: str = "default") -> JsonObject:
        """Give a Service."""
        return self.objects[("Service", namespace, name)]

    def addresses(self, name: str, namespace: str = "default") -> list[str]:
        """Give the addresses in a Service's status."""
        status = self.service(name, namespace).get("status", {})
        return [item["ip"] for item in status.get("loadBalancer", {}).get("ingress", [])]

    def condition(self, name: str, kind: str, namespace: str = "default") -> JsonObject | None:
        """Find a condition of a Service."""
        status = self.service(name, namespace).get("status", {})
        return next((c for c in status.get("conditions", []) if c["type"] == kind), None)

    def class_condition(self, name: str, kind: str) -> JsonObject | None:
        """Find a condition of a class."""
        status = self.objects[("MetalLoadBalancerClass", "", name)].get("status", {})
        return next((c for c in status.get("conditions", []) if c["type"] == kind), None)

    def check(self) -> None:
        """What always holds: a status shows only what the ledger has for that very Service."""
        vips = self.vips()
        for (kind, namespace, name), value in self.objects.items():
            if kind != "Service" or value["spec"].get("type") != "LoadBalancer":
                continue
            if self.condition(name, ServiceCondition.ASSIGNED, namespace) is None:
                continue  # not ours
            for ip in self.addresses(name, namespace):
                entry = vips.get(object_name(parse_address(ip)))
                assert entry is not None, f"{namespace}/{name} shows {ip}, which is in no ledger"
                assert ObjectKey(namespace, name) in entry.spec.services, (
                    f"{namespace}/{name} shows {ip}, which the ledger has for {entry.spec.services}"
                )


class Leader:
    """A reconciler with its own view of a world."""

    def __init__(
        self, world: World, now: float = 0.0, settings: ReconcilerSettings | None = None
    ) -> None:
        self.world = world
        self.reconciler = Reconciler(settings)
        self.now = now
        self.under_way: list[Write] = []
        self._versions: dict[Ref, int] = {}
        for ref in list(world.objects):
            self._observe(ref, world.objects[ref], world.version)
        self._seen = len(world.history)
        self.reconciler.start(now)

    @property
    def is_late(self) -> bool:
        """Whether there are changes that this leader has not seen."""
        return self._seen < len(self.world.history)

    def deliver(self) -> None:
        """See the oldest change not seen yet."""
        ref, _, value = self.world.history[self._seen]
        version = self.world.versions[self._seen]
        self._seen += 1
        self._observe(ref, value, version)

    def see_at_once(self, ref: Ref) -> None:
        """See an object as it is, ahead of older changes of others: each kind has its own watch."""
        self._observe(ref, self.world.objects.get(ref), self.world.version)

    def _observe(self, ref: Ref, value: JsonObject | None, version: int) -> None:
        """Take in an object, as a mirror would: what is older than what was seen is no news."""
        if version <= self._versions.get(ref, -1):
            return
        self._versions[ref] = version
        kind, namespace, name = ref
        reconciler = self.reconciler
        match kind:
            case "Service":
                found = None if value is None else read_service(value)
                reconciler.observe_service(ObjectKey(namespace, name), found)
            case _ if kind in _CONFIGS:
                config, read = _CONFIGS[kind]
                given = None if value is None else read(value)
                reconciler.observe_config(config, ObjectKey(namespace, name), given)
            case "Namespace":
                labels = None if value is None else read_namespace(value).labels
                reconciler.observe_namespace(name, labels)
            case "Node":
                node = None if value is None else read_node(value)
                reconciler.observe_node(NodeName(name), node)
            case "Lease":
                entry = None if value is None else read_speaker(value)
                node_name = NodeName(name.removeprefix("metallb-speaker-"))
                reconciler.observe_speaker(node_name, entry, self.now)
            case "EndpointSlice":
                self._observe_slice(ref, value)
            case "VirtualIP":
                vip = None if value is None else read_virtual_ip(value)
                assert vip is None or isinstance(vip, VirtualIP)
                reconciler.observe_vip(address_from_name(name), vip)

    def _observe_slice(self, ref: Ref, value: JsonObject | None) -> None:
        slices: dict[Ref, Any] = self.__dict__.setdefault("_slices", {})
        new = None if value is None else read_endpoint_slice(value)
        self.reconciler.observe_endpoint_slice(slices.get(ref), new)
        slices[ref] = new

    def step(self) -> None:
        """Decide for a while."""
        for action in self.reconciler.step(self.now, WALL):
            if isinstance(action, PostEvent):
                self.world.events.append(action)
            else:
                self.under_way.append(action)

    def execute(self, index: int = 0, *, lose: str = "") -> None:
        """Carry out one of the writes; `lose` is "", "request" or "answer"."""
        write = self.under_way.pop(index)
        if lose == "request":
            self.reconciler.done(write, Result(Outcome.FAILED), self.now)
            return
        outcome, answer = self.world.execute(write)
        if lose == "answer":
            self.reconciler.done(write, Result(Outcome.FAILED), self.now)
            return
        if answer is not None and outcome in (Outcome.DONE, Outcome.EXISTS):
            meta = answer["metadata"]
            ref = (answer["kind"], meta.get("namespace", ""), meta["name"])
            self._observe(ref, answer, int(meta["resourceVersion"]))
        self.reconciler.done(write, Result(outcome), self.now)

    def settle(self, limit: int = 20_000) -> None:
        """Go on until nothing is left to do, time passing as needed."""
        quiet: deque[int] = deque(maxlen=2)
        for _ in range(limit):
            while self.is_late:
                self.deliver()
            self.step()
            has_written = bool(self.under_way)
            while self.under_way:
                self.execute()
            if has_written or self.reconciler.has_work():
                continue
            due_at = self.reconciler.get_timer()
            if due_at is None or due_at > self.now + 200:
                return
            before = self.world.writes
            self.now = max(self.now, due_at) + 0.001
            quiet.append(self.world.writes - before)
        raise AssertionError("the reconciler does not come to rest")
