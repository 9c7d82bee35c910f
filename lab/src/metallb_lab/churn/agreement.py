"""Whether what is written down at rest is what would be decided anew; pure.

A reconciler that never saw the cluster before is told all objects as they are. It must want no
write, at once and for minutes to come, and its allocator must say of each Service what ledger and
status say.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from metallb.api.bgp_advertisements import read_bgp_advertisement
from metallb.api.classes import Rebalancing, read_class
from metallb.api.communities import read_community
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.layer2_advertisements import read_l2_advertisement
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_pools import read_load_balancer_pool
from metallb.api.meta import ObjectKey
from metallb.api.namespaces import read_namespace
from metallb.api.nodes import NodeName, read_endpoint_slice, read_node
from metallb.api.services import read_service
from metallb.api.speakers import COMPONENT, COMPONENT_LABEL, read_speaker
from metallb.api.virtual_ips import VirtualIP, read_virtual_ip
from metallb_controller.app import resources
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import (
    PatchServiceStatus,
    PostEvent,
    ReconcilerSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metallb.kube.client import JsonObject, Resource
    from metallb_controller.reconcile.model import Write

    Everything = Mapping[Resource, Iterable[JsonObject]]

MOST_CHARACTERS = 1500
AHEAD_SECONDS = 200.0
"""So far into the future nothing may be wanted."""

CONFIGS: Mapping[Resource, tuple[ConfigKind, Callable[..., Any]]] = {
    resources.CLASSES: (ConfigKind.CLASSES, read_class),
    resources.POOLS: (ConfigKind.POOLS, read_load_balancer_pool),
    resources.CONFIGURATIONS: (ConfigKind.CONFIGURATIONS, read_load_balancer_configuration),
    resources.NATIVE_POOLS: (ConfigKind.NATIVE_POOLS, read_ip_address_pool),
    resources.LAYER2_ADVERTISEMENTS: (ConfigKind.LAYER2_ADVERTISEMENTS, read_l2_advertisement),
    resources.BGP_ADVERTISEMENTS: (ConfigKind.BGP_ADVERTISEMENTS, read_bgp_advertisement),
    resources.COMMUNITIES: (ConfigKind.COMMUNITIES, read_community),
}
KINDS = (
    *CONFIGS,
    resources.NAMESPACES, resources.NODES, resources.LEASES, resources.ENDPOINT_SLICES,
    resources.VIRTUAL_IPS, resources.SERVICES,
)  # fmt: skip
"""All that a reconciler is told."""


def informed(found: Everything, rebalancing: Rebalancing) -> Reconciler:
    """Tell a new reconciler everything."""
    made = Reconciler(ReconcilerSettings(rebalancing=rebalancing))
    for resource, items in found.items():
        for value in items:
            _tell(made, resource, value, rebalancing)
    made.start(0.0)
    return made


def _tell(
    made: Reconciler, resource: Resource, value: JsonObject, rebalancing: Rebalancing
) -> None:
    meta = value["metadata"]
    key = ObjectKey(meta.get("namespace", ""), meta["name"])
    if resource in CONFIGS:
        kind, read = CONFIGS[resource]
        if kind is ConfigKind.CLASSES:
            read = partial(read, rebalancing=rebalancing)
        made.observe_config(kind, key, read(value))
    elif resource == resources.SERVICES:
        made.observe_service(key, read_service(value))
    elif resource == resources.VIRTUAL_IPS:
        vip = read_virtual_ip(value)
        if isinstance(vip, VirtualIP):
            made.observe_vip(vip.spec.address, vip)
    elif resource == resources.NAMESPACES:
        made.observe_namespace(key.name, read_namespace(value).labels)
    elif resource == resources.NODES:
        made.observe_node(NodeName(key.name), read_node(value))
    elif resource == resources.ENDPOINT_SLICES:
        made.observe_endpoint_slice(None, read_endpoint_slice(value))
    elif meta.get("labels", {}).get(COMPONENT_LABEL) == COMPONENT:
        speaker = read_speaker(value)
        made.observe_speaker(speaker.node, speaker, 0.0)


def wanted(made: Reconciler, wall: str) -> tuple[str, ...]:
    """Tell which writes a reconciler wants; no more than the first ones if there are any.

    Words count too: a refusal that a new leader would put differently is behind.
    """
    now = 0.0
    while True:
        found = [item for item in made.step(now, wall) if not isinstance(item, PostEvent)]
        if found:
            return tuple(_told(item, made) for item in found)
        if made.has_work():
            continue
        due_at = made.get_timer()
        if due_at is None or due_at > AHEAD_SECONDS:
            return ()
        now = max(now, due_at) + 0.001


def _told(write: Write, made: Reconciler) -> str:
    before: object = ""
    if isinstance(write, PatchServiceStatus):
        before = made.observed.services[write.target.key].conditions
    return f"{type(write).__name__} {write.target.key}: {write}, was {before}"[:MOST_CHARACTERS]


def disagreements(made: Reconciler, found: Everything) -> list[str]:
    """Compare the allocator of a reconciler that wants nothing with ledger and statuses."""
    made.allocator.check_invariants()
    ledger: defaultdict[ObjectKey, set[str]] = defaultdict(set)
    for value in found[resources.VIRTUAL_IPS]:
        vip = read_virtual_ip(value)
        if not isinstance(vip, VirtualIP):
            return [f"{value['metadata']['name']} is no VirtualIP: {vip}"]
        if vip.spec.retained is None:
            for key in vip.spec.services:
                ledger[key].add(str(vip.spec.address))
    wrong: list[str] = []
    for value in found[resources.SERVICES]:
        service = read_service(value)
        key = service.meta.key
        shown = {item.ip for item in service.ingress if item.ip}
        held = {str(address) for address in made.allocator.addresses_of(key)}
        entered = ledger.pop(key, set())
        if not shown == held == entered:
            texts = [", ".join(sorted(item)) or "nothing" for item in (shown, held, entered)]
            wrong.append("{} shows {}, holds {}, and the ledger has {}".format(key, *texts))
    return wrong + [f"{key} is not there, and holds {sorted(ledger[key])}" for key in ledger]
