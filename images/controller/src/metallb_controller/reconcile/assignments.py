"""Which Service has which addresses: decisions about one Service at a time, carried into the state.

A decision reads what was observed and changes three things: the allocator (an added address is
held from now on), the ledger's list of who is leaving, and placement. What must be looked at
again because of it (VIPs, other Services on a shared address, those that wait) comes back as
`Touched`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.domain.requests import read_wish
from metallb.domain.selection import Candidates, choose_class, default_class
from metallb_controller.allocator.model import Claim
from metallb_controller.reconcile.agenda import Touched
from metallb_controller.reconcile.plans import ServicePlan, claim_of
from metallb_controller.reconcile.queues import Waiters
from metallb_controller.reconcile.services import plan_service

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.requests import RequestProblem
    from metallb.domain.selection import Binding
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.layer2 import Layer2
    from metallb_controller.reconcile.ledger import Ledger
    from metallb_controller.reconcile.observed import Observed

_NOBODY = ("", "", "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a Service that is ours to serve."""

    binding: Binding
    wanted: tuple[IPAddress, ...] = ()
    total: int = 1
    problems: tuple[RequestProblem, ...] = ()

    def pools(self) -> tuple[str, ...]:
        """Name the pools that it concerns."""
        return (self.binding.class_name,)


class Assignments:
    """Decides about Services; `verdicts` are the decisions in force."""

    def __init__(
        self, observed: Observed, allocator: Allocator, ledger: Ledger, layer2: Layer2
    ) -> None:
        self._observed = observed
        self._allocator = allocator
        self._ledger = ledger
        self._layer2 = layer2
        self._default: str | None = None
        self._sharers = Sharers()
        self.waiters = Waiters()
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

    def seniority(self, key: ObjectKey) -> tuple[str, str, str]:
        """Sort key of a Service: the older first."""
        service = self._observed.services.get(key)
        return _NOBODY if service is None else service.meta.seniority

    # -- the ledger read back --------------------------------------------------------------------

    def restore(self, vip: VirtualIP) -> Touched:
        """Take in a ledger entry that the allocator does not know: the ledger is right.

        A Service that was about to get the address, and is not in the entry, looks for another. One
        that is in it, but is gone or not ours any more, comes last: it must not stand in the way of
        those who stay.
        """
        touched = Touched()
        address = vip.spec.address
        known = self._allocator.holders(address)
        unknown = [key for key in vip.spec.services if key not in known]
        unknown.sort(key=lambda key: not self._is_bound(key))
        if not unknown:
            return touched
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

    def _oust(self, address: IPAddress, key: ObjectKey, touched: Touched) -> None:
        before = self._allocator.claim(address, key)
        self._allocator.release(address, key)
        self._ledger.stay(address, key)
        self._touch_others(address, key, before, None, touched)
        touched.services[key] = None

    def _claim(self, key: ObjectKey) -> Claim:
        service = self._observed.services.get(key)
        if service is None:
            return Claim("", frozenset())
        return claim_of(service, read_wish(service))

    def _binding(self, key: ObjectKey) -> Binding | None:
        service = self._observed.services.get(key)
        if service is None:
            return None
        return choose_class(service, self._observed.classes, self._default)

    def _is_bound(self, key: ObjectKey) -> bool:
        binding = self._binding(key)
        return binding is not None and binding.is_bound

    # -- decisions -----------------------------------------------------------------------------

    def decide(self, key: ObjectKey) -> Touched:
        """Decide about one Service, there or gone."""
        service, binding = self._observed.services.get(key), self._binding(key)
        if service is None or binding is None or not binding.is_bound:
            return self._serve_not(key, binding)
        return self._serve(service, binding)

    def _serve_not(self, key: ObjectKey, binding: Binding | None) -> Touched:
        touched = Touched()
        self.waiters.forget(key)
        self._sharers.forget(key)
        if binding is None:
            self.verdicts.pop(key, None)
        else:
            self.verdicts[key] = Verdict(binding)
        for address in self._allocator.addresses_of(key):
            self._drop(address, key, touched)
        return touched

    def _serve(self, service: Service, binding: Binding) -> Touched:
        touched = Touched()
        key = service.meta.key
        wish = read_wish(service)
        held = self._in_status_order(service, self._ledger.held(key))
        candidates = Candidates(((binding.class_name,),))
        plan = plan_service(service, wish, candidates, held, self._allocator)
        claim = claim_of(service, wish)
        self._sharers.remember(key, claim)
        for address in plan.wanted:
            self._take(address, service, plan.pools[address], claim, touched)
        for address in plan.dropped:
            self._drop(address, key, touched)
        self._remember(key, binding, plan)
        return touched

    def _remember(self, key: ObjectKey, binding: Binding, plan: ServicePlan) -> None:
        self.verdicts[key] = Verdict(binding, tuple(plan.wanted), plan.total, tuple(plan.problems))
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


def _is_refused(claim: Claim, other: Claim | None) -> bool:
    return other is not None and claim.why_not_beside(other) is not None


class Sharers:
    """Services that name a sharing key, with their claims."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[ObjectKey, Claim]] = {}
        self._key_of: dict[ObjectKey, str] = {}

    def remember(self, service: ObjectKey, claim: Claim) -> None:
        """Take in what a Service claims, with a key or without."""
        self.forget(service)
        if claim.sharing_key:
            self._key_of[service] = claim.sharing_key
            self._claims.setdefault(claim.sharing_key, {})[service] = claim

    def forget(self, service: ObjectKey) -> None:
        """Take in that a Service claims nothing."""
        key = self._key_of.pop(service, "")
        if key:
            del self._claims[key][service]
            if not self._claims[key]:
                del self._claims[key]

    def under(self, sharing_key: str) -> dict[ObjectKey, Claim]:
        """Give the claims under a key; none under the empty one."""
        return self._claims.get(sharing_key, {})
