"""The cluster as the reconciler of the moment sees it, counted when somebody asks.

Only the replica that leads has one: the others have no series of these. Series are by pool and by
reason, never by Service or address, so that there are not more of them in a large cluster; the
objects' own conditions say whose they are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from metallb.api.conditions import ClassCondition
from metallb.net.addresses import Family, family_of
from metallb_controller.app.ipam_census import ipam_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from prometheus_client import Metric

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.ip_address_pools import IPAddressPool
    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.reflector import Reflector
    from metallb_controller.app.ipam import IpamSync
    from metallb_controller.reconcile.assignments import Verdict
    from metallb_controller.reconcile.engine import Reconciler

UNKNOWN_CLASS = ""
"""Pool of Services that name one which does not exist: what they write is no label."""

NOT_ANNOUNCED = "NotAnnounced"

_ALLOCATOR = "metallb_allocator"
_BAD: dict[str, bool] = {ClassCondition.CONFLICT: True, ClassCondition.VALID: False}
"""Conditions of a pool, and when they tell of something that cannot be used."""

_ON_PURPOSE = "Disabled"
"""Why a pool that somebody closed is not ready."""


class Term(Protocol):
    """What a term of leadership shows of itself."""

    @property
    def reconciler(self) -> Reconciler:
        """The one that decides."""

    @property
    def is_loaded(self) -> bool:
        """Whether all kinds have been read, so that it decides."""

    @property
    def mirrors(self) -> Sequence[Reflector[Any]]:
        """The mirrors of all kinds."""

    @property
    def ipam(self) -> IpamSync | None:
        """What keeps an IPAM told; None: there is none."""

    @property
    def queued_writes(self) -> int:
        """Writes that wait for their turn."""


class Census(Collector):
    """Reads what the current term knows, if there is one."""

    def __init__(self, term: Callable[[], Term | None]) -> None:
        self._term = term

    def collect(self) -> Iterator[Metric]:
        """Give all families, without series when this replica does not lead."""
        term = self._term()
        reconciler = None if term is None else term.reconciler
        yield from _client(term)
        yield from _addresses(reconciler)
        yield from _pools(reconciler)
        yield from _services(reconciler)
        yield from _nodes(reconciler)
        yield from ipam_families(None if term is None else term.ipam)


def _client(term: Term | None) -> Iterator[Metric]:
    mirrors = () if term is None else term.mirrors
    yield CounterMetricFamily(
        "metallb_k8s_client_updates",
        "Changes of objects taken in, in this term of leadership.",
        value=sum(mirror.counts.events for mirror in mirrors),
    )
    yield CounterMetricFamily(
        "metallb_k8s_client_update_errors",
        "Objects that could not be read, in this term of leadership.",
        value=sum(mirror.counts.unreadable for mirror in mirrors),
    )
    loaded = GaugeMetricFamily(
        "metallb_k8s_client_config_loaded_bool",
        "1 when all objects have been read, else 0; only of the replica that leads.",
    )
    stale = GaugeMetricFamily(
        "metallb_k8s_client_config_stale_bool",
        "1 while the API server is not followed or a pool cannot be used as written, else 0.",
    )
    queued = GaugeMetricFamily(
        "metallb_controller_queued_writes", "Writes that wait for their turn."
    )
    if term is not None:
        is_stale = any(mirror.is_failing for mirror in mirrors) or any(
            map(_is_wrong, term.reconciler.catalogue.sources())
        )
        loaded.add_metric([], int(term.is_loaded))
        stale.add_metric([], int(is_stale))
        queued.add_metric([], term.queued_writes)
    yield from (loaded, stale, queued)


def _is_wrong(found: MetalLoadBalancerClass | IPAddressPool) -> bool:
    return bool(found.problems) or any(
        _BAD.get(item.type) is item.is_true for item in found.status.conditions
    )


def _addresses(reconciler: Reconciler | None) -> Iterator[Metric]:
    total, used = _pair("addresses", "Addresses")
    pairs = {
        Family.IPV4: _pair("ipv4_addresses", "IPv4 addresses"),
        Family.IPV6: _pair("ipv6_addresses", "IPv6 addresses"),
    }
    free = GaugeMetricFamily(
        "metallb_controller_addresses_free",
        "Addresses of the pool that nobody holds, of families that it has ranges of.",
        labels=["pool", "family"],
    )
    holders = GaugeMetricFamily(
        f"{_ALLOCATOR}_services_allocated_total",
        "Services that hold an address of the pool.",
        labels=["pool"],
    )
    if reconciler is not None:
        allocator = reconciler.allocator
        names = _names(reconciler)
        for key in sorted(reconciler.observed.pools):
            name = names[key]
            held = allocator.held(key)
            by_family = Counter(map(family_of, held))
            for family, (size, in_use) in pairs.items():
                count = allocator.size(key, family)
                size.add_metric([name], count)
                in_use.add_metric([name], by_family[family])
                if count:
                    free.add_metric([name, family.value], allocator.free_count(key, family))
            total.add_metric([name], allocator.capacity(key).total)
            used.add_metric([name], len(held))
            who = {key for item in held for key in allocator.holders(item)}
            holders.add_metric([name], len(who))
    yield from (total, used, *pairs[Family.IPV4], *pairs[Family.IPV6], free, holders)


def _pools(reconciler: Reconciler | None) -> Iterator[Metric]:
    problems: Counter[tuple[str, str]] = Counter()
    if reconciler is not None:
        names = _names(reconciler)
        for key, pool in reconciler.observed.pools.items():
            for item in reconciler.catalogue.source(pool).status.conditions:
                is_bad = _BAD.get(item.type) is item.is_true
                is_idle = item.type == ClassCondition.READY and not item.is_true
                if is_bad or (is_idle and item.reason != _ON_PURPOSE):
                    problems[names[key], item.reason] = 1
    yield _by_reason(
        "metallb_controller_pool_problem",
        "1 while a condition of the pool says that something of it does not work, by reason.",
        problems,
    )


def _names(reconciler: Reconciler) -> dict[str, str]:
    """Give the label of each pool: its name, or its key when a pool of another kind has it too."""
    pools = reconciler.observed.pools.values()
    counts = Counter(pool.name for pool in pools)
    return {pool.key: pool.name if counts[pool.name] == 1 else pool.key for pool in pools}


def _pair(name: str, what: str) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            f"{_ALLOCATOR}_{name}_total", f"{what} in the ranges of the pool.", labels=["pool"]
        ),
        GaugeMetricFamily(
            f"{_ALLOCATOR}_{name}_in_use_total",
            f"{what} of the pool that Services hold.",
            labels=["pool"],
        ),
    )


def _services(reconciler: Reconciler | None) -> Iterator[Metric]:
    waiting: Counter[tuple[str, str]] = Counter()
    silent: Counter[tuple[str, str]] = Counter()
    undecided = GaugeMetricFamily(
        "metallb_controller_services_undecided", "Services that wait to be decided about."
    )
    if reconciler is not None:
        undecided.add_metric([], reconciler.undecided)
        names, present = _names(reconciler), reconciler.observed.roll.present
        for verdict in reconciler.assignments.verdicts.values():
            if (reason := _why_waiting(verdict)) is not None:
                pools = [names[key] for key in verdict.pools if key in names]
                waiting[pools[0] if pools else UNKNOWN_CLASS, reason] += 1
        for vip in reconciler.observed.vips.values():
            if (reason := _why_silent(vip, present)) is not None:
                silent[names.get(vip.spec.pool, vip.spec.pool), reason] += 1
    yield _by_reason(
        "metallb_controller_services_waiting",
        "Services that do not get what they ask for, by pool and first reason.",
        waiting,
    )
    yield _by_reason(
        "metallb_controller_addresses_not_announced",
        "Addresses that are held and announced by no node, by pool and reason.",
        silent,
    )
    yield undecided


def _why_waiting(verdict: Verdict) -> str | None:
    """Tell why a Service waits; a decision that leaves a wish unmet always says why."""
    if verdict.binding is not None and not verdict.binding.is_bound:
        return verdict.binding.reason
    return verdict.problems[0].reason if verdict.problems else None


def _why_silent(vip: VirtualIP, present: Iterable[str]) -> str | None:
    """Tell why nobody announces a VIP; one whose announcer is gone is not announced either."""
    if vip.spec.layer2.suspended is not None:
        return vip.spec.layer2.suspended
    announcers = vip.status.announcers
    return None if announcers and announcers[0].node in present else NOT_ANNOUNCED


def _nodes(reconciler: Reconciler | None) -> Iterator[Metric]:
    refused: Counter[tuple[str, str]] = Counter()
    eligible = GaugeMetricFamily(
        "metallb_controller_nodes_eligible",
        "Nodes that may announce addresses of the pool, if ARP and NDP announce any.",
        labels=["pool"],
    )
    speakers = GaugeMetricFamily(
        "metallb_controller_speakers_present", "Speakers that are present in the roll."
    )
    if reconciler is not None:
        for key, name in sorted(_names(reconciler).items()):
            if not reconciler.observed.pools[key].layer2:
                continue
            eligible.add_metric([name], len(reconciler.layer2.eligible(key)))
            refused.update((name, reason) for reason in reconciler.layer2.refused(key).values())
        speakers.add_metric([], len(reconciler.observed.roll.present))
    yield eligible
    yield _by_reason(
        "metallb_controller_nodes_refused",
        "Nodes that may not announce addresses of the pool, by reason.",
        refused,
    )
    yield speakers


def _by_reason(name: str, text: str, counts: Counter[tuple[str, str]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["pool", "reason"])
    for (pool, reason), count in sorted(counts.items()):
        family.add_metric([pool, reason], count)
    return family
