"""VirtualIP (network.deckhouse.io/v1alpha1, cluster-scoped): one object for each address in use.

It is the ledger (the name is the address, so the API server refuses a second holder), the orders
for the speakers (who may announce, first choice first) and their report, in one place. The
controller writes `spec`, speakers write `status`; nobody else writes either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from sys import intern
from typing import TYPE_CHECKING, Any, TypedDict

from metallb.api.conditions import VIRTUAL_IP_CONDITIONS, Condition, read_conditions
from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, Metadata, MetadataObject, Named, ObjectKey, read_metadata
from metallb.net.addresses import IPAddress, object_name, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb.api.fields import JsonObject

API_VERSION = f"{GROUP}/v1alpha1"
KIND = "VirtualIP"
CLASS_LABEL = f"{GROUP}/load-balancer-class"
POOL_LABEL = f"{GROUP}/address-pool"

POOL_KIND = "MetalLoadBalancerPool"
NATIVE_POOL_KIND = "IPAddressPool"

MOST_SERVICES = 1024
"""So many Services can share an address: the schema's limit, far below that of an object's size."""

_LABEL_CHARACTERS = 63
"""Longest value of a label; names of classes may be longer, and then the label is left out."""


class VirtualIPObject(TypedDict, total=False):
    """The fields of a VirtualIP that `read_virtual_ip` reads, as JSON (`metallb.kube.decoding`)."""

    metadata: MetadataObject
    spec: Any
    status: Any


class TrafficPolicy(StrEnum):
    """`externalTrafficPolicy` of the Services that hold the address."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Suspension(StrEnum):
    """Why nobody is to announce a VIP for the time being, though it is held and placed."""

    NO_READY_ENDPOINTS = "NoReadyEndpoints"
    NO_ELIGIBLE_NODES = "NoEligibleNodes"
    NOT_ADVERTISED = "NotAdvertised"
    """No advertisement of the pool is for the Services that hold it."""


class AnnounceReason(StrEnum):
    """Why a node announces a VIP, or took it over."""

    PREFERRED = "Preferred"
    NODE_DOWN = "NodeDown"
    NODE_LEFT = "NodeLeft"
    INTERFACE_DOWN = "InterfaceDown"
    PLANNED_MOVE = "PlannedMove"
    UNANSWERED = "Unanswered"
    """The node that it was left to does not answer for it."""


_TRAFFIC_POLICIES = tuple(TrafficPolicy)
_SUSPENSIONS = frozenset(Suspension)


@dataclass(frozen=True, slots=True)
class Layer2Orders:
    """Who may announce, in order of preference, on which interfaces (none named: on all).

    `node_interfaces` are pairs of a node and its interfaces, for nodes that have others.
    """

    nodes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    suspended: Suspension | None = None
    node_interfaces: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def interfaces_of(self, node: str) -> tuple[str, ...]:
        """Give the interfaces on which a node may announce; none: on all."""
        return next((each for name, each in self.node_interfaces if name == node), self.interfaces)


@dataclass(frozen=True, slots=True)
class BGPOrders:
    """By which advertisements the address is announced to peers, and by which nodes.

    `nodes` None: by every node that the advertisements are for.
    """

    advertisements: tuple[str, ...] = ()
    nodes: tuple[str, ...] | None = None
    suspended: Suspension | None = None
    weights: tuple[tuple[str, int], ...] = ()
    """How many endpoints nodes have, if peers are to know."""
    health_check_ports: tuple[int, ...] = ()
    """Where the proxies of nodes say whether they have rules for endpoints of their node: the
    `healthCheckNodePort` of each Service, in order; there with `nodes` only.
    """

    def weight_of(self, node: str) -> int:
        """Give the weight of a node; 0: it has none."""
        return next((weight for name, weight in self.weights if name == node), 0)


@dataclass(frozen=True, slots=True)
class Retained:
    """For whom an address is kept that nobody holds, and until when (seconds since 1970)."""

    services: tuple[ObjectKey, ...]
    until: int


@dataclass(frozen=True, slots=True)
class VirtualIPSpec:
    """`spec`: all of it is the controller's.

    `pool` is the key of a pool: the name of a class, or ``Kind/name`` of any other kind, which are
    two fields in the object. With `bgp` the address is announced by BGP, also or only: nodes of
    `layer2` are none then.
    """

    address: IPAddress
    pool: str
    services: tuple[ObjectKey, ...]
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    layer2: Layer2Orders = Layer2Orders()
    bgp: BGPOrders | None = None
    retained: Retained | None = None


@dataclass(frozen=True, slots=True)
class Announcer:
    """A node that announces the VIP; `since` is RFC 3339 text."""

    node: str
    since: str
    reason: str
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BGPAnnouncer:
    """A node that announces the VIP to peers, by name; `since` is RFC 3339 text.

    With a `reason` it announces the VIP to nobody, and somebody has to mend that.
    """

    node: str
    since: str
    peers: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VirtualIPStatus:
    """The part of `status` that decisions and reports need."""

    announcers: tuple[Announcer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    transitions: tuple[JsonObject, ...] = ()
    bgp: tuple[BGPAnnouncer, ...] = ()
    """By node; in the object it is a map, so that each node writes its own entry."""

    def by_bgp(self, node: str) -> BGPAnnouncer | None:
        """Give the entry of a node."""
        return next((item for item in self.bgp if item.node == node), None)


@dataclass(frozen=True, slots=True)
class VirtualIP(Named):
    """A VirtualIP object."""

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    spec: VirtualIPSpec
    status: VirtualIPStatus = VirtualIPStatus()


def new_virtual_ip(spec: VirtualIPSpec) -> VirtualIP:
    """Make the value for an object that does not exist yet."""
    key = ObjectKey("", object_name(spec.address))
    return VirtualIP(Metadata(key, "", "", 0, "", False), spec)


def read_virtual_ip(value: JsonObject) -> VirtualIP | Problem:
    """Read a VirtualIP; one whose name and address do not agree is nobody's, and a Problem."""
    fields = Fields(value)
    meta = read_metadata(fields)
    spec = fields.child("spec")
    try:
        address = parse_address(spec.text("address"))
        if object_name(address) != meta.key.name:
            raise ValueError(f"is {address}, but the object's name is {meta.key.name!r}")
    except ValueError as error:
        return Problem(".spec.address", str(error))
    status = fields.child("status")
    conditions = read_conditions(status, VIRTUAL_IP_CONDITIONS)
    return VirtualIP(
        meta,
        VirtualIPSpec(
            address=address,
            pool=_read_pool(spec),
            services=_read_services(spec),
            traffic_policy=TrafficPolicy(
                spec.choice("trafficPolicy", _TRAFFIC_POLICIES, TrafficPolicy.CLUSTER)
            ),
            layer2=_read_layer2(spec.child("layer2")),
            bgp=_read_bgp(spec.child("bgp")) if spec.value.get("bgp") is not None else None,
            retained=_read_retained(spec),
        ),
        VirtualIPStatus(
            announcers=tuple(_read_announcer(item) for item in status.children("announcers")),
            conditions=tuple(conditions.values()),
            transitions=tuple(item.value for item in status.children("transitions")),
            bgp=tuple(_read_bgp_announcers(status.child("bgp"))),
        ),
    )


def _read_services(fields: Fields) -> tuple[ObjectKey, ...]:
    return tuple(
        ObjectKey(item.word("namespace"), item.text("name")) for item in fields.children("services")
    )


def _read_retained(spec: Fields) -> Retained | None:
    """Read `retained`; without a time that can be read, nothing is kept."""
    if spec.value.get("retained") is None:
        return None
    fields = spec.child("retained")
    try:
        until = datetime.fromisoformat(fields.text("until"))
    except ValueError:
        return None
    services = _read_services(fields)
    return Retained(services, int(until.timestamp())) if services and until.tzinfo else None


def _read_pool(spec: Fields) -> str:
    """Read the key of the pool; entries that say `bgp` alone are older than the field poolKind."""
    name = spec.word("pool")
    kind = spec.choice("poolKind", ("", POOL_KIND, NATIVE_POOL_KIND), "")
    if not kind and spec.value.get("bgp") is not None:
        kind = POOL_KIND
    return intern(f"{kind}/{name}") if kind else name


def _read_layer2(fields: Fields) -> Layer2Orders:
    return Layer2Orders(
        nodes=fields.words("nodes"),
        interfaces=fields.words("interfaces"),
        suspended=_read_suspended(fields),
        node_interfaces=tuple(
            (item.word("node"), item.words("interfaces"))
            for item in fields.children("nodeInterfaces")
        ),
    )


def _read_bgp(fields: Fields) -> BGPOrders:
    return BGPOrders(
        advertisements=fields.words("advertisements"),
        nodes=None if fields.value.get("nodes") is None else fields.words("nodes"),
        suspended=_read_suspended(fields),
        weights=tuple(
            (item.word("node"), item.integer("endpoints", 0, 0, 2**31 - 1))
            for item in fields.children("weights")
        ),
        health_check_ports=fields.integers("healthCheckPorts", 1, 65_535),
    )


def _read_suspended(fields: Fields) -> Suspension | None:
    text = fields.text("suspended")
    return Suspension(text) if text in _SUSPENSIONS else None


def _read_announcer(fields: Fields) -> Announcer:
    return Announcer(
        fields.word("node"), fields.text("since"), fields.word("reason"), fields.words("interfaces")
    )


def _read_bgp_announcers(fields: Fields) -> Iterator[BGPAnnouncer]:
    for node in sorted(fields.value):
        item = fields.child(node)
        reason = item.word("reason")
        yield BGPAnnouncer(intern(node), item.text("since"), item.words("peers"), reason)


def spec_object(spec: VirtualIPSpec) -> dict[str, Any]:
    """Give the JSON form of a spec."""
    orders: dict[str, Any] = {}
    if spec.bgp is None or spec.layer2 != Layer2Orders():
        orders["layer2"] = _layer2_object(spec.layer2)
    if spec.bgp is not None:
        orders["bgp"] = _bgp_object(spec.bgp)
    if spec.retained is not None:
        until = datetime.fromtimestamp(spec.retained.until, UTC)
        orders["retained"] = {
            "services": _services_object(spec.retained.services),
            "until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    kind, _, name = spec.pool.rpartition("/")
    return {
        "address": str(spec.address),
        "pool": name,
        **({"poolKind": kind} if kind else {}),
        "services": _services_object(spec.services),
        "trafficPolicy": spec.traffic_policy.value,
        **orders,
    }


def _services_object(services: tuple[ObjectKey, ...]) -> list[dict[str, str]]:
    return [{"namespace": key.namespace, "name": key.name} for key in services]


def _layer2_object(orders: Layer2Orders) -> dict[str, Any]:
    found: dict[str, Any] = {"nodes": list(orders.nodes)}
    if orders.interfaces:
        found["interfaces"] = list(orders.interfaces)
    if orders.node_interfaces:
        found["nodeInterfaces"] = [
            {"node": node, "interfaces": list(names)} for node, names in orders.node_interfaces
        ]
    if orders.suspended is not None:
        found["suspended"] = orders.suspended.value
    return found


def _bgp_object(orders: BGPOrders) -> dict[str, Any]:
    found: dict[str, Any] = {"advertisements": list(orders.advertisements)}
    if orders.nodes is not None:
        found["nodes"] = list(orders.nodes)
    if orders.suspended is not None:
        found["suspended"] = orders.suspended.value
    if orders.weights:
        found["weights"] = [{"node": node, "endpoints": count} for node, count in orders.weights]
    if orders.health_check_ports:
        found["healthCheckPorts"] = list(orders.health_check_ports)
    return found


def to_object(vip: VirtualIP) -> dict[str, Any]:
    """Give the JSON form of an object to write; its status is for the speakers to write."""
    labels = {"module": "metallb", "heritage": "deckhouse"}
    kind, _, name = vip.spec.pool.rpartition("/")
    if len(name) <= _LABEL_CHARACTERS:
        labels[POOL_LABEL if kind else CLASS_LABEL] = name
    metadata: dict[str, Any] = {"name": vip.name, "labels": labels}
    if vip.meta.resource_version:
        metadata["resourceVersion"] = vip.meta.resource_version
        metadata["uid"] = vip.meta.uid
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": spec_object(vip.spec),
    }
