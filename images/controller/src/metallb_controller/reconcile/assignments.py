"""Which Service has which addresses: decisions about one Service at a time, carried into the state.

A decision reads what was observed and changes three things: the allocator (an added address is
held from now on), the ledger's list of who is leaving, and placement. What must be looked at
again because of it (VIPs, other Services on a shared address, those that wait) comes back as
`Touched`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.domain.requests import Dialect, read_wish
from metallb.domain.selection import Candidates, PoolIndex, choose_pools, default_class
from metallb_controller.allocator.model import Claim
from metallb_controller.reconcile.agenda import Touched
from metallb_controller.reconcile.plans import ServicePlan, claim_of
from metallb_controller.reconcile.queues import Reviews, Waiters
from metallb_controller.reconcile.services import plan_service
from metallb_controller.reconcile.sharers import Sharers

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.requests import RequestProblem, Wish
    from metallb.domain.selection import Binding, Choice
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.layer2 import Layer2
    from metallb_controller.reconcile.ledger import Ledger
    from metallb_controller.reconcile.observed import Observed

_NOBODY = ("", "", "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a Service that is ours to serve; `pools` are those that it concerns,
    by key: of its addresses, else those that could serve it.
    """

    choice: Choice
    wanted: tuple[IPAddress, ...] = ()
    total: int = 1
    problems: tuple[RequestProblem, ...] = ()
    pools: tuple[str, ...] = ()
    hostname: str | None = None

    @property
    def binding(self) -> Binding | None:
        """The class that the Service goes to; None: pools serve it."""
        return self.choice.binding


class Assignments:
    """Decides about Services; `verdicts` are the decisions in force."""

    def __init__(
        self,
        observed: Observed,
        allocator: Allocator,
        ledger: Ledger,
        layer2: Layer2,
        load_balancer_class: str = "",
    ) -> None:
        self._observed = observed
        self._allocator = allocator
        self._ledger = ledger
        self._layer2 = layer2
        self._load_balancer_class = load_balancer_class
        self._default: str | None = None
        self._pools = PoolIndex()
        self._sharers = Sharers()
        self._retention: dict[ObjectKey, int] = {}
        self.epoch = 0.0
        """The time, in seconds since 1970: how long addresses are kept outlives a leader."""
        self.waiters = Waiters()
        self.reviews = Reviews()
        self.verdicts: dict[ObjectKey, Verdict] = {}

    @property
    def default_class(self) -> str | None:
        """Name of the default class, if there is one."""
        return self._default

    def refresh_pools(self) -> None:
        """Take in that pools may have changed."""
        self._default = default_class(
            item for item in self._observed.classes.values() if item.is_layer2
        )
        self._pools = PoolIndex(self._observed.pools.values())

    def unmet(self) -> list[ObjectKey]:
        """Give the Services that do not have all that they ask for, the senior ones first."""
        found = (key for key, verdict in self.verdicts.items() if verdict.problems)
        return sorted(found, key=self.seniority)

    def seniority(self, key: ObjectKey) -> tuple[str, str, str]:
        """Sort key of a Service: the older first."""
        service = self._observed.services.get(key)
        return _NOBODY if service is None else service.meta.seniority

    # -- the ledger read back --------------------------------------------------------------------

    def restore(self, vip: VirtualIP, *, is_start: bool = False) -> Touched:
        """Take in a ledger entry that the allocator does not know: the ledger is right.

        A Service that was about to get the address, and is not in the entry, looks for another. One
        that is in it, but is gone or not ours any more, comes last: it must not stand in the way of
        those who stay.
        """
        touched = Touched()
        address = vip.spec.address
        self._restore_kept(vip, is_start=is_start)
        known = self._allocator.holders(address)
        unknown = [key for key in vip.spec.services if key not in known]
        if not unknown:
            return touched
        if len(unknown) > 1:
            unknown.sort(key=lambda key: not self._is_served(key))
        for key in known:
            if key not in vip.spec.services:
                self._oust(address, key, touched)
        for key in unknown:
            claim = self._claim(key)
            self._allocator.assign(vip.spec.pool, address, key, claim)
            self._touch_others(address, key, None, claim, touched)
            touched.services[key] = None
        self._place(address)
        touched.addresses[address] = None
        return touched

    def _restore_kept(self, vip: VirtualIP, *, is_start: bool) -> None:
        """Take in for whom an address is kept.

        At the start also for those who are back, and may not have been served yet. Later it is
        known for whom it is kept, and an entry that is seen late must not keep it anew.
        """
        address, kept = vip.spec.address, vip.spec.retained
        if kept is None or self._allocator.holders(address):
            return
        for key in kept.services:
            if is_start or key not in self._observed.services:
                self._allocator.retain(address, key, kept.until)

    def _oust(self, address: IPAddress, key: ObjectKey, touched: Touched) -> None:
        before = self._allocator.claim(address, key)
        self._allocator.release(address, key)
        self._ledger.stay(address, key)
        self._touch_others(address, key, before, None, touched)
        touched.services[key] = None

    def _claim(self, key: ObjectKey) -> Claim:
        service, choice = self._observed.services.get(key), self._choice(key)
        if service is None:
            return Claim("", frozenset())
        dialect = Dialect.CLASS if choice is None else choice.dialect
        return claim_of(service, read_wish(service, dialect))

    def _choice(self, key: ObjectKey) -> Choice | None:
        service = self._observed.services.get(key)
        if service is None:
            return None
        return choose_pools(
            service,
            self._pools,
            self._observed.namespaces,
            self._observed.classes,
            self._default,
            self._load_balancer_class,
        )

    def _is_served(self, key: ObjectKey) -> bool:
        choice = self._choice(key)
        return choice is not None and _has_candidates(choice)

    # -- decisions -----------------------------------------------------------------------------

    def decide(self, key: ObjectKey, leaving: str = "") -> Touched:
        """Decide about one Service, there or gone.

        `leaving` is a pool that it is to leave, if others have all that it asks for.
        """
        service, choice = self._observed.services.get(key), self._choice(key)
        if service is None or choice is None or not _has_candidates(choice):
            return self._serve_not(key, choice)
        return self._serve(service, choice, leaving)

    def _serve_not(self, key: ObjectKey, choice: Choice | None) -> Touched:
        touched = Touched()
        self.waiters.forget(key)
        self.reviews.forget(key)
        self._sharers.forget(key)
        if choice is None:
            self.verdicts.pop(key, None)
        else:
            self.verdicts[key] = Verdict(choice, problems=choice.problems)
        for address in self._allocator.addresses_of(key):
            if key not in self._observed.services:
                self._keep_for(key, address)
            self._drop(address, key, touched)
        self._retention.pop(key, None)
        return touched

    def _keep_for(self, key: ObjectKey, address: IPAddress) -> None:
        """Keep an address for a Service that is deleted, if it or the pool wants that."""
        pool = self._observed.pools.get(self._allocator.pool_of(address) or "")
        seconds = self._retention.get(key, 0 if pool is None else pool.retention_seconds)
        others = [other for other in self._allocator.holders(address) if other != key]
        if seconds and not others and not self._ledger.is_leaving(address, key):
            self._allocator.retain(address, key, int(self.epoch + seconds))

    def _serve(self, service: Service, choice: Choice, leaving: str) -> Touched:
        touched = Touched()
        key = service.meta.key
        wish = read_wish(service, choice.dialect)
        seen = self._allocator.changes
        held = self._in_status_order(service, self._ledger.held(key))
        plan = self._plan_without(leaving, service, choice.candidates, wish, held)
        if plan is None:
            plan = plan_service(service, wish, choice.candidates, held, self._allocator)
        claim = claim_of(service, wish)
        self._sharers.remember(key, claim)
        for address in plan.wanted:
            self._take(address, service, plan.pools[address], claim, touched)
        for address in plan.dropped:
            self._drop(address, key, touched)
        self._remember(key, choice, plan, wish.hostname)
        if len(plan.problems) > len(wish.problems):
            self.reviews.refused(key, seen)
        else:
            self.reviews.forget(key)
        if wish.retention_seconds is None:
            self._retention.pop(key, None)
        else:
            self._retention[key] = wish.retention_seconds
        return touched

    def _plan_without(
        self,
        pool: str,
        service: Service,
        candidates: Candidates,
        wish: Wish,
        held: tuple[IPAddress, ...],
    ) -> ServicePlan | None:
        """Plan as if a pool were not there; None when something would be missing then."""
        groups = tuple(tuple(key for key in group if key != pool) for group in candidates.groups)
        groups = tuple(filter(None, groups))
        if not pool or not groups:
            return None
        others = tuple(key for key in candidates.others if key != pool)
        stays = tuple(item for item in held if self._allocator.pool_of(item) != pool)
        plan = plan_service(service, wish, Candidates(groups, others), stays, self._allocator)
        if plan.problems or len(plan.wanted) < max(plan.total, 1):
            return None
        plan.compare_with(held)
        return plan

    def _remember(
        self, key: ObjectKey, choice: Choice, plan: ServicePlan, hostname: str | None
    ) -> None:
        pools = dict.fromkeys(plan.pools[address] for address in plan.wanted)
        if not pools:
            pools = dict.fromkeys(pool for group in choice.candidates.groups for pool in group)
        self.verdicts[key] = Verdict(
            choice,
            tuple(plan.wanted),
            plan.total,
            (*choice.problems, *plan.problems),
            tuple(pools),
            hostname,
        )
        self.waiters.wait(key, tuple(plan.awaits_any), tuple(plan.awaits))

    def _in_status_order(
        self, service: Service, held: tuple[IPAddress, ...]
    ) -> tuple[IPAddress, ...]:
        if len(held) < 2:
            return held
        shown = [item.ip for item in service.ingress]
        place = {text: index for index, text in enumerate(shown)}
        fallback = len(shown)
        return tuple(
            sorted(held, key=lambda item: (place.get(str(item), fallback), item.version, int(item)))
        )

    def _take(
        self, address: IPAddress, service: Service, pool: str, claim: Claim, touched: Touched
    ) -> None:
        key = service.meta.key
        before = self._allocator.claim(address, key)
        stays = before is not None and not self._ledger.is_leaving(address, key)
        if stays and before == claim and self._allocator.pool_of(address) == pool:
            self._place(address)
            return
        self._allocator.assign(pool, address, key, claim)
        self._ledger.stay(address, key)
        self._place(address)
        touched.addresses[address] = None
        self._touch_others(address, key, before, claim, touched)

    def _drop(self, address: IPAddress, key: ObjectKey, touched: Touched) -> None:
        self._ledger.leave(address, key)
        self._place(address)
        touched.addresses[address] = None

    def _place(self, address: IPAddress) -> None:
        """Tell placement who stays on an address; the last to leave keeps its place until gone."""
        holders = self._ledger.holders(address) or self._allocator.holders(address)
        pool = self._allocator.pool_of(address)
        assert pool is not None, f"{address} is held by nobody"
        self._layer2.place(address, pool, holders)

    # -- what has let go -------------------------------------------------------------------------

    def settle(self, address: IPAddress) -> Touched:
        """Release those who have let go of an address, and find who may have it now."""
        touched = Touched()
        pool = self._allocator.pool_of(address)
        gone = self._ledger.have_let_go(address)
        if pool is None or not gone:
            return touched
        for key in gone:
            before = self._allocator.claim(address, key)
            self._allocator.release(address, key)
            self._ledger.stay(address, key)
            self._touch_others(address, key, before, None, touched)
            if self.waiters.is_waiting(key):  # its own former claim may have been in its way
                touched.services[key] = None
        if self._allocator.holders(address):
            self._place(address)
        else:
            self._layer2.discard(address)
        touched.pools[pool] = None
        if (owner := self._allocator.range_owner(address)) is not None:
            touched.pools[owner] = None
        return touched

    def _touch_others(
        self,
        address: IPAddress,
        key: ObjectKey,
        before: Claim | None,
        after: Claim | None,
        touched: Touched,
    ) -> None:
        """Find those for whom it matters that a Service claims an address otherwise than before.

        They are those who wait for the address or, under the same key, for any; and those who
        cannot share with the Service, or could not before.
        """
        touched.services.update(dict.fromkeys(self.waiters.for_address(address)))
        beside = dict(self._allocator.claims(address))
        for claim in (before, after):
            if claim is not None:
                beside |= self._sharers.under(claim.sharing_key)
        beside.pop(key, None)
        for other, claim in beside.items():
            if (
                self.waiters.is_waiting(other)
                or _is_refused(claim, before)
                or _is_refused(claim, after)
            ):
                touched.services[other] = None

    def refresh_endpoints(self, key: ObjectKey) -> None:
        """Take in that the endpoints of a Service have changed."""
        for address in self._allocator.addresses_of(key):
            self._place(address)


def _has_candidates(choice: Choice) -> bool:
    return bool(choice.candidates.groups or choice.candidates.others)


def _is_refused(claim: Claim, other: Claim | None) -> bool:
    return other is not None and claim.why_not_beside(other) is not None
