"""Orders as speakers get them, through the whole reconciler: whatever nodes, labels, zones,
speakers, classes and endpoints do, an order names whom it may, in balance, and moves nobody without
need.

What it may is worked out here a second time, in the plainest way, from the objects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import assume, given

from metallb.api.nodes import EXCLUDE_LABEL, ZONE_LABEL
from metallb.api.virtual_ips import Suspension, VirtualIP
from metallb_controller.placement import PREFERENCE_LIMIT
from support.objects import (
    class_object,
    lease_of_speaker,
    node_object,
    service_object,
    slice_object,
)
from support.world import Leader, World

NODES = [f"n{number}" for number in range(10)]
SERVICES = [f"s{number}" for number in range(6)]
POOLS = {"front": "10.0.0.1-10.0.0.60", "back": "10.1.0.1-10.1.0.60"}
AT_ONCE = {"rebalancing": {"policy": "Automatic", "delaySeconds": 0, "movesPerMinute": 60_000}}
NEVER = {"rebalancing": {"policy": "Never"}}


@dataclass(frozen=True)
class NodeState:
    """A node, and what decides whether it may announce."""

    zone: str = ""
    role: str = "front"
    is_ready: bool = True
    is_excluded: bool = False
    has_network: bool = True
    has_speaker: bool = True

    def labels(self) -> dict[str, str]:
        found = {"role": self.role}
        if self.zone:
            found[ZONE_LABEL] = self.zone
        if self.is_excluded:
            found[EXCLUDE_LABEL] = ""
        return found


@dataclass(frozen=True)
class ServiceState:
    """A Service, and where its endpoints are."""

    pool: str = "front"
    count: int = 1
    is_local: bool = False
    endpoints: frozenset[str] = frozenset()


@dataclass
class Cluster:
    """The objects as a person would tell them."""

    nodes: dict[str, NodeState] = field(default_factory=dict)
    services: dict[str, ServiceState] = field(default_factory=dict)
    selectors: dict[str, dict[str, str]] = field(default_factory=dict)

    def forbidden(self, name: str, pool: str) -> bool:
        """Whether somebody has decided that the node is not to announce for the class."""
        node = self.nodes[name]
        wanted = self.selectors[pool]
        return node.is_excluded or any(node.labels().get(k) != v for k, v in wanted.items())

    def eligible(self, pool: str) -> set[str]:
        able = {
            name
            for name, node in self.nodes.items()
            if not self.forbidden(name, pool) and node.has_network and node.has_speaker
        }
        ready = {name for name in able if self.nodes[name].is_ready}
        return ready or able

    def allowed(self, service: ServiceState) -> set[str]:
        """The nodes that may announce for a Service; all eligible ones while it is suspended."""
        eligible = self.eligible(service.pool)
        return (eligible & service.endpoints or eligible) if service.is_local else eligible

    def suspension(self, service: ServiceState) -> Suspension | None:
        eligible = self.eligible(service.pool)
        open_ = {name for name in self.nodes if not self.forbidden(name, service.pool)}
        if not open_:
            return Suspension.NO_ELIGIBLE_NODES
        may = service.endpoints & (eligible or open_) if service.is_local else service.endpoints
        return None if may else Suspension.NO_READY_ENDPOINTS


nodes = st.builds(
    NodeState,
    st.sampled_from(["", "east", "west"]),
    st.sampled_from(["front", "front", "back"]),
    *(st.sampled_from(choice) for choice in (
        [True, True, True, False], [False, False, False, True],
        [True, True, True, False], [True, True, True, False],
    )),
)  # fmt: skip
services = st.builds(
    ServiceState,
    st.sampled_from(list(POOLS)),
    st.integers(1, 7),
    st.booleans(),
    st.frozensets(st.sampled_from(NODES), max_size=4),
)
selectors = st.sampled_from([{}, {}, {"role": "front"}, {"role": "back"}, {"role": "nobody"}])
clusters = st.builds(
    Cluster,
    st.dictionaries(st.sampled_from(NODES), nodes),
    st.dictionaries(st.sampled_from(SERVICES), services),
    st.fixed_dictionaries(dict.fromkeys(POOLS, selectors)),
)


class Run:
    """A world that follows a `Cluster`, and a leader that follows the world."""

    def __init__(self, cluster: Cluster, l2: dict[str, Any] = AT_ONCE) -> None:
        self.cluster = Cluster()
        self.world = World()
        self.leader = Leader(self.world)
        self.l2 = l2
        self.become(cluster)

    def become(self, cluster: Cluster) -> None:
        """Change the world to another cluster, and let the leader follow."""
        for pool, ranges in POOLS.items():
            selector = cluster.selectors[pool]
            self.world.put(class_object(pool, (ranges,), nodeSelector=selector, l2=self.l2))
        for name in self.cluster.nodes.keys() - cluster.nodes.keys():
            self.world.delete("Node", name)
        for name, node in cluster.nodes.items():
            self.world.put(
                node_object(
                    name,
                    labels=node.labels(),
                    ready=node.is_ready,
                    network_unavailable=not node.has_network,
                )
            )
            self.world.put(lease_of_speaker(name, holder="h" if node.has_speaker else ""))
        for name in self.cluster.services.keys() - cluster.services.keys():
            self.world.delete("Service", name, "default")
            self.world.delete("EndpointSlice", f"{name}-1", "default")
        for name, service in cluster.services.items():
            policy = "Local" if service.is_local else "Cluster"
            kept = self.world.objects.get(("Service", "default", name), {}).get("status", {})
            bound = [c["message"] for c in kept.get("conditions", ()) if "class" in c["type"]]
            if bound and bound[0] != service.pool:  # the binding is for life
                self.world.delete("Service", name, "default")
            self.world.put(slice_object(name, tuple(sorted(service.endpoints))))
            self.world.put(
                service_object(
                    name,
                    count=str(service.count),
                    class_annotation=service.pool,
                    externalTrafficPolicy=policy,
                )
            )
        self.cluster = cluster
        self.leader.now += 1
        self.leader.settle()

    def vips(self, name: str) -> list[VirtualIP]:
        return [vip for vip in self.world.vips().values() if vip.spec.services[0].name == name]

    def firsts(self) -> dict[str, str]:
        """The first choice of each VIP that somebody announces."""
        return {
            name: vip.spec.layer2.nodes[0]
            for name, vip in self.world.vips().items()
            if vip.spec.layer2.nodes and vip.spec.layer2.suspended is None
        }

    # -- what must hold ----------------------------------------------------------------------------

    def check(self) -> None:
        self.check_orders()
        for pool in POOLS:
            self.check_balance(pool)
            self.check_separation(pool)

    def check_orders(self) -> None:
        for name, service in self.cluster.services.items():
            allowed = self.cluster.allowed(service)
            found = self.vips(name)
            assert len(found) == service.count
            for vip in found:
                orders = vip.spec.layer2
                assert set(orders.nodes) <= allowed
                assert len(orders.nodes) == min(PREFERENCE_LIMIT, len(allowed))
                assert len(set(orders.nodes)) == len(orders.nodes)
                assert orders.suspended == self.cluster.suspension(service)

    def check_balance(self, pool: str) -> None:
        """Rule 1: no chain of moves, each to an allowed node, leads to a node with two less."""
        load = Counter(dict.fromkeys(self.cluster.eligible(pool), 0))
        reach: dict[str, set[str]] = {name: set() for name in load}
        for name, service in self.cluster.services.items():
            if service.pool == pool:
                for vip in self.vips(name):
                    for first in vip.spec.layer2.nodes[:1]:
                        load[first] += 1
                        reach[first] |= self.cluster.allowed(service)
        for source in reach:
            seen, stack = {source}, [source]
            while stack:
                for target in reach[stack.pop()] - seen:
                    assert load[target] >= load[source] - 1, (source, target, load)
                    seen.add(target)
                    stack.append(target)

    def check_separation(self, pool: str) -> None:
        """Rule 2, where nothing is restricted: the addresses of a Service are spread evenly."""
        mine = {name: item for name, item in self.cluster.services.items() if item.pool == pool}
        eligible = self.cluster.eligible(pool)
        if not eligible or any(self.cluster.allowed(item) != eligible for item in mine.values()):
            return
        for name in mine:
            counts = Counter(vip.spec.layer2.nodes[0] for vip in self.vips(name))
            spread = [counts[node] for node in eligible]
            assert max(spread) - min(spread) <= 1, (name, counts)


@given(st.lists(clusters, min_size=1, max_size=4))
def test_whatever_changes_orders_name_whom_they_may_in_balance(history: list[Cluster]) -> None:
    run = Run(history[0])
    run.check()
    for cluster in history[1:]:
        run.become(cluster)
        run.check()


@given(clusters, st.data())
def test_a_node_that_is_lost_moves_only_its_own(cluster: Cluster, data: st.DataObject) -> None:
    """Rule 4, with policy Never, so that what is moved for balance does not hide it."""
    assume(cluster.nodes)
    run = Run(cluster, NEVER)
    before = run.firsts()
    name = data.draw(st.sampled_from(sorted(cluster.nodes)))
    how = data.draw(st.sampled_from(["gone", "excluded", "unready", "speaker", "network"]))
    change: dict[str, dict[str, Any]] = {
        "excluded": {"is_excluded": True},
        "unready": {"is_ready": False},
        "speaker": {"has_speaker": False},
        "network": {"has_network": False},
    }
    left = {**cluster.nodes}
    node = left.pop(name)
    if how != "gone":
        left[name] = replace(node, **change[how])
    after_loss = replace(cluster, nodes=left)
    others = {pool: cluster.eligible(pool) - {name} for pool in POOLS}
    # else it was the last one that was ready, and readiness is not asked any more
    assume(all(after_loss.eligible(pool) == others[pool] for pool in POOLS))
    run.become(after_loss)
    run.check_orders()
    after = run.firsts()
    moved = {vip for vip, first in before.items() if after.get(vip) != first}
    assert {before[vip] for vip in moved} <= {name}


@given(clusters)
def test_a_new_leader_moves_nothing(cluster: Cluster) -> None:
    run = Run(cluster)
    before = {name: vip.spec for name, vip in run.world.vips().items()}
    version = run.world.version
    Leader(run.world, run.leader.now + 1000).settle()
    assert {name: vip.spec for name, vip in run.world.vips().items()} == before
    assert run.world.version == version


@given(clusters, st.sampled_from(NODES), nodes)
def test_with_policy_never_a_node_that_comes_takes_nothing(
    cluster: Cluster, name: str, state: NodeState
) -> None:
    """Rule 5: what works stays where it is, and the new node stands by."""
    before_it = replace(cluster, nodes={k: v for k, v in cluster.nodes.items() if k != name})
    with_it = replace(cluster, nodes={**before_it.nodes, name: state})
    # else it is the first that is ready, and the others are not asked any more
    assume(all(before_it.eligible(pool) <= with_it.eligible(pool) for pool in POOLS))
    run = Run(before_it, NEVER)
    before = run.firsts()
    run.become(with_it)
    run.check_orders()
    after = run.firsts()
    assert {vip: after[vip] for vip in before} == before
