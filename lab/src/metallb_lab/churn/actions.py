"""What people do to a cluster in an hour of churn, in an order that the seed decides; pure.

Each worker has a script of its own: the same seed, number of Services and number of workers give
the same actions in the same order to each worker, whatever the server answers and however fast it
is. A script knows which of its objects exist, and nothing else. How the scripts of different
workers interleave is decided by the machine.

Only what the API server accepts is asked for, so that a refusal means something.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api import services as names
from metallb.api.nodes import EXCLUDE_LABEL
from metallb_lab import objects
from metallb_lab.bench import bodies, rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb.kube.client import JsonObject, Resource

NAMESPACES = ("default", "other")
RED = {"team": "red"}
POOLS = ("x", "y")
OUR_POOLS = ("v", "w")
CLASSES = ("p", "q")
KEYS = ("k", "l")
SIX = "fd64::"
RETENTIONS = (None, None, None, 600_000)
"""How long pools keep the addresses of Services that are deleted: for ever, or not at all."""
BLOCKS = len(POOLS) + len(CLASSES) + len(OUR_POOLS)
"""Of addresses: in this order."""
NEIGHBOURS = 10
"""So many Services choose among the same sharing keys."""


class Verb(StrEnum):
    """What is done with an object."""

    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Action:
    """One request; a patch is a merge patch."""

    verb: Verb
    resource: Resource
    namespace: str
    name: str
    body: JsonObject | None = None
    subresource: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        what = f"{self.resource.plural}/{self.subresource}".rstrip("/")
        return f"{self.verb} {what} {where}"

    def to_object(self) -> JsonObject:
        """Give the JSON form, for a log."""
        return {"do": str(self), "body": self.body}


class Ground:
    """Which addresses there are: a block of `size` for each pool and class."""

    def __init__(self, services: int) -> None:
        self.size = max(4, services // 4)

    def address(self, block: int, place: int) -> str:
        """Give an IPv4 address."""
        number = (10 << 24 | 64 << 16) + block * (self.size + 300) + place
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))

    def ranges(self, block: int, first: int, last: int) -> list[str]:
        """Give a range of IPv4 addresses, and one of IPv6 that is half as long."""
        six = f"{SIX}{block + 1:x}:"
        return [
            f"{self.address(block, first)}-{self.address(block, last)}",
            f"{six}1-{six}{max(1, last // 2):x}",
        ]


def service_key(number: int) -> tuple[str, str]:
    """Give namespace and name of a Service."""
    return NAMESPACES[number % 5 == 4], f"churn-{number:05d}"


class ServiceScript:
    """What one worker does to its Services: all are created, then it goes on at random."""

    def __init__(self, seed: int, worker: int, numbers: Sequence[int], ground: Ground) -> None:
        self._chance = random.Random(f"{seed}/services/{worker}")
        self._numbers = numbers
        self._ground = ground
        self._exists: set[int] = set()

    def beginning(self) -> Iterator[Action]:
        """Create everything."""
        for number in self._numbers:
            yield self._slice(Verb.CREATE, number)
            yield self._service(Verb.CREATE, number)

    def next(self) -> Action:
        """Do one more thing."""
        chance = self._chance
        number = chance.choice(self._numbers)
        if chance.random() < 0.1:
            return self._slice(Verb.PATCH, number)
        if number not in self._exists:
            return self._service(Verb.CREATE, number)
        if chance.random() < 0.2:
            self._exists.discard(number)
            return Action(Verb.DELETE, objects.SERVICES, *service_key(number))
        return self._service(Verb.PATCH, number)

    def _service(self, verb: Verb, number: int) -> Action:
        self._exists.add(number)
        namespace, name = service_key(number)
        body = self._shape(number)
        if verb is Verb.CREATE:
            body = without_nulls(objects.service(name, namespace=namespace) | body)
            body["metadata"] |= {"name": name, "namespace": namespace}
        return Action(verb, objects.SERVICES, namespace, name, body)

    def _shape(self, number: int) -> JsonObject:
        """Give all that changes in a Service; None: not there."""
        chance = self._chance
        is_bound = number % 10 == 3  # spec.loadBalancerClass cannot be changed, nor the type then
        is_ours = is_bound or chance.random() < 0.9
        is_local = is_ours and chance.random() < 0.1
        spec: JsonObject = {
            "type": "LoadBalancer" if is_ours else "ClusterIP",
            "externalTrafficPolicy": ("Local" if is_local else "Cluster") if is_ours else None,
            "allocateLoadBalancerNodePorts": False if is_ours else None,
            "loadBalancerIP": self._wish() if is_ours and chance.random() < 0.05 else None,
            "ipFamilyPolicy": chance.choice(
                ["SingleStack", "SingleStack", "PreferDualStack", "RequireDualStack"]
            ),
            "selector": {"app": chance.choice(["web", "web", "api"])},
            "ports": [self._port(), *([self._port(443)] if chance.random() < 0.3 else [])],
        }
        if is_bound:
            spec["loadBalancerClass"] = CLASSES[number // 10 % 2]
        labels = {"team": chance.choice([None, "red", "blue"])}
        metadata = {"annotations": self._annotations(number), "labels": labels}
        return {"metadata": metadata, "spec": spec}

    def _port(self, port: int = 0) -> JsonObject:
        port = port or self._chance.choice([80, 81, 82, 83])
        protocol = self._chance.choice(["TCP", "UDP"])
        return {"name": f"p{port}", "protocol": protocol, "port": port, "targetPort": 8080}

    def _annotations(self, number: int) -> dict[str, str | None]:
        chance = self._chance
        key = f"{chance.choice(KEYS)}-{number // NEIGHBOURS}"
        native = chance.choice(names.NATIVE_PREFIXES)
        given: dict[str, tuple[float, str]] = {
            names.CLASS_ANNOTATION: (0.1, chance.choice([*CLASSES * 3, "nowhere"])),
            names.COUNT_ANNOTATION: (0.2, chance.choice(["1", "2", "2", "3", "x"])),
            names.ADDRESSES_ANNOTATION: (0.05, self._wish()),
            names.SHARING_ANNOTATION: (0.2, key),
            names.POOL_ANNOTATION: (0.1, chance.choice([*POOLS, *OUR_POOLS * 3])),
            names.HOSTNAME_ANNOTATION: (0.05, "a.example.org"),
            f"{native}/address-pool": (0.15, chance.choice([*POOLS * 3, "nowhere"])),
            f"{native}/loadBalancerIPs": (0.1, self._wish()),
            f"{native}/allow-shared-ip": (0.4, key),
        }
        every = [*given, *(f"{prefix}/{word}" for prefix in names.NATIVE_PREFIXES for word in
                           ("address-pool", "loadBalancerIPs", "allow-shared-ip"))]  # fmt: skip
        found: dict[str, str | None] = dict.fromkeys(every)
        for name, (share, text) in given.items():
            if chance.random() < share:
                found[name] = text
        return found

    def _wish(self) -> str:
        """Name an address that a pool or class may have."""
        block = self._chance.randrange(BLOCKS)
        return self._ground.address(block, self._chance.randrange(self._ground.size))

    def _slice(self, verb: Verb, number: int) -> Action:
        namespace, name = service_key(number)
        nodes = self._chance.sample(rig.NODES, self._chance.randrange(1, len(rig.NODES) + 1))
        body = bodies.endpoint_slice(name, nodes[0], "10.244.0.1")
        body["endpoints"] = [{**body["endpoints"][0], "nodeName": node} for node in nodes]
        body["metadata"]["namespace"] = namespace
        if verb is Verb.PATCH:
            body = {"endpoints": body["endpoints"]}
        return Action(verb, objects.ENDPOINT_SLICES, namespace, f"{name}-1", body)


class PoolScript:
    """What happens to classes, pools, advertisements, namespaces and nodes."""

    def __init__(self, seed: int, ground: Ground) -> None:
        self._chance = random.Random(f"{seed}/pools")
        self._ground = ground
        self._exists: set[str] = set()

    def beginning(self) -> Iterator[Action]:
        """Create everything."""
        for name in CLASSES:
            yield self._class(name)
        for name in POOLS:
            yield self._pool(name)
        for name in OUR_POOLS:
            yield self._our_pool(name)
        yield self._advertisement("m")
        yield self._configuration("c")

    def next(self) -> Action:
        """Do one more thing."""
        chance = self._chance
        draw = chance.random()
        if draw < 0.25:
            return self._or_delete(chance.choice(POOLS), objects.IP_ADDRESS_POOLS, self._pool)
        if draw < 0.45:
            return self._or_delete(chance.choice(CLASSES), objects.CLASSES, self._class)
        if draw < 0.6:
            return self._or_delete(chance.choice(OUR_POOLS), objects.POOLS, self._our_pool)
        if draw < 0.7:
            name = chance.choice("mn")
            return self._or_delete(name, objects.L2_ADVERTISEMENTS, self._advertisement)
        if draw < 0.75:
            return self._or_delete("c", objects.CONFIGURATIONS, self._configuration)
        if draw < 0.82:
            labels = {"metadata": {"labels": {"team": chance.choice([None, "red"])}}}
            return Action(Verb.PATCH, objects.NAMESPACES, "", chance.choice(NAMESPACES), labels)
        if draw < 0.92:
            return self._labelled_node(chance.choice(rig.NODES))
        return self._node_status(chance.choice(rig.NODES))

    def _labelled_node(self, name: str) -> Action:
        """Move a node into a rack or out of it, exclude it or take it back."""
        labels = {
            "rack": self._chance.choice([None, "1"]),
            EXCLUDE_LABEL: self._chance.choice([None, None, None, ""]),
        }
        return Action(Verb.PATCH, objects.NODES, "", name, {"metadata": {"labels": labels}})

    def _node_status(self, name: str) -> Action:
        """Let a node be ready or not, with its network or without."""
        conditions = {
            "Ready": self._chance.choice(["True", "True", "False", "Unknown"]),
            "NetworkUnavailable": self._chance.choice(["False", "False", "False", "True"]),
        }
        told = [
            {"type": kind, "status": status, "reason": "Churn", "message": ""}
            for kind, status in conditions.items()
        ]
        body = {"status": {"conditions": told}}
        return Action(Verb.PATCH, objects.NODES, "", name, body, "status")

    def _or_delete(self, name: str, resource: Resource, make: Any) -> Action:
        if name in self._exists and self._chance.random() < 0.15:
            self._exists.discard(name)
            namespace = objects.NAMESPACE if resource.is_namespaced else ""
            return Action(Verb.DELETE, resource, namespace, name)
        action: Action = make(name)
        return action

    def _put(self, resource: Resource, body: JsonObject, name: str) -> Action:
        is_there = name in self._exists
        self._exists.add(name)
        namespace = objects.NAMESPACE if resource.is_namespaced else ""
        if is_there:
            return Action(Verb.PATCH, resource, namespace, name, {"spec": body["spec"]})
        return Action(Verb.CREATE, resource, namespace, name, without_nulls(body))

    def _ranges(self, block: int) -> list[str]:
        chance, size = self._chance, self._ground.size
        first = chance.choice([0, 0, 1, size // 3])
        found = self._ground.ranges(block, first, chance.randrange(max(first, size // 2), size))
        return found[: chance.choice([1, 2, 2])]

    def _class(self, name: str) -> Action:
        chance = self._chance
        block = 2 if chance.random() < 0.2 else 2 + CLASSES.index(name)  # now and then a conflict
        body = objects.load_balancer_class(
            name, self._ranges(block), is_default=chance.random() < 0.3
        )
        body["spec"] |= self._options(block)
        return self._put(objects.CLASSES, body, name)

    def _pool(self, name: str) -> Action:
        chance = self._chance
        block = 0 if chance.random() < 0.2 else POOLS.index(name)
        body = objects.ip_address_pool(name, self._ranges(block))
        body["spec"] |= self._options(block) | {
            "autoAssign": chance.random() < 0.8,
            "avoidBuggyIPs": chance.random() < 0.3,
            "serviceAllocation": chance.choice([
                None, None, {"priority": 3}, {"namespaceSelectors": [{"matchLabels": RED}]},
                {"serviceSelectors": [{"matchLabels": RED}], "priority": 1},
                {"namespaces": ["other"]},
            ]),
        }  # fmt: skip
        return self._put(objects.IP_ADDRESS_POOLS, body, name)

    def _our_pool(self, name: str) -> Action:
        first = len(POOLS) + len(CLASSES)
        block = first if self._chance.random() < 0.2 else first + OUR_POOLS.index(name)
        body = objects.load_balancer_pool(name, self._ranges(block))
        body["spec"] |= self._options(block) | {
            "autoAssign": self._chance.random() < 0.5,
            "avoidBuggyIPs": self._chance.random() < 0.3,
        }
        return self._put(objects.POOLS, body, name)

    def _configuration(self, name: str) -> Action:
        chance = self._chance
        pools = chance.choice([OUR_POOLS, OUR_POOLS, OUR_POOLS[:1]])
        racks = {"rack": "1" if chance.random() < 0.2 else None}
        routes: JsonObject = chance.choice([{}, {"localPref": 100}, {"aggregationLength": 30}])
        body = objects.load_balancer_configuration(name, pools, node_selector=racks, **routes)
        return self._put(objects.CONFIGURATIONS, body, name)

    def _options(self, block: int) -> JsonObject:
        """Give what all kinds of pools have."""
        chance = self._chance
        kept = {"addresses": [self._ground.address(block, 2)], "namespace": "default"}
        return {
            "disabled": chance.random() < 0.15,
            "namespaceQuota": chance.choice([None, None, self._ground.size // 3]),
            "retentionSeconds": chance.choice(RETENTIONS),
            "reservations": [{**kept, "service": service_key(0)[1]}]
            if chance.random() < 0.3
            else None,
        }

    def _advertisement(self, name: str) -> Action:
        chance = self._chance
        rack = {"matchLabels": {"rack": "1"}}
        spec = {
            "serviceSelectors": [{"matchLabels": RED}] if chance.random() < 0.2 else None,
            "nodeSelectors": [rack] if chance.random() < 0.2 else None,
            "ipAddressPools": [chance.choice(POOLS)] if chance.random() < 0.3 else None,
        }
        return self._put(objects.L2_ADVERTISEMENTS, objects.l2_advertisement(name, **spec), name)


def without_nulls(value: Any) -> Any:
    """Leave out fields that are None, as creating takes none."""
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(item) for name, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Blow:
    """A replica is killed after a while, and is away for a while; in seconds."""

    after: float
    replica: int
    away: float


def blows(seed: int, replicas: int) -> Iterator[Blow]:
    """Give the kills, without end."""
    chance = random.Random(f"{seed}/blows")
    while True:
        yield Blow(chance.uniform(1, 12), chance.randrange(replicas), chance.choice([0, 0, 1, 4]))
