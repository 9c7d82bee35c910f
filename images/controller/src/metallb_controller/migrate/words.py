"""The plan in words that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.fields import listed
from metallb.domain.selection import pool_words
from metallb_controller.migrate.cluster import Origin
from metallb_controller.migrate.plan import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb.domain.address_pools import AddressPool
    from metallb_controller.migrate.leftovers import Leftovers
    from metallb_controller.migrate.move import Move
    from metallb_controller.migrate.plan import Plan, ServiceRow

_TITLES = {Origin.METALLB: "MetalLB", Origin.DECKHOUSE: "Deckhouse's own metallb"}


def plan_text(origin: Origin, move: Move) -> str:
    """Tell the whole plan."""
    plan, leftovers = move
    parts = (
        _section(f"Move from {_TITLES[origin]}. Pools:", _pools(plan)),
        _section("Objects that are wrong in part (the rest of them works):", _problems(plan)),
        _section("Services:", _services(plan)),
        _section("Child objects whose Service is gone (left out):", _orphans(plan)),
        _section("Of the old installation there is:", _leftovers(leftovers)),
        _section("Result:", _result(plan)),
    )
    return "\n".join(part for part in parts if part)


def _section(title: str, lines: Iterator[str]) -> str:
    found = list(lines)
    return "\n".join([title, *(f"  {line}" for line in found), ""]) if found else ""


def _pools(plan: Plan) -> Iterator[str]:
    if not plan.pools:
        yield "none: no Service can keep an address"
    for pool in plan.pools:
        ranges = listed([item.text for item in pool.ranges])
        yield f"{pool.title}: {ranges or 'no addresses'}; {_announced(pool)}"


def _announced(pool: AddressPool) -> str:
    if pool.layer2:
        return "announced by ARP and NDP" + (", and by BGP" if pool.bgp else "")
    if pool.bgp:
        return "announced by BGP"
    return "no advertisement covers it, so nobody announces it"


def _problems(plan: Plan) -> Iterator[str]:
    for (kind, key), problems in plan.problems.items():
        for problem in problems:
            yield f"{kind} {key}: {problem}"


def _services(plan: Plan) -> Iterator[str]:
    for row in plan.services:
        yield f"{row.key}: {_fate(row)}"
        if row.hidden:
            hidden = ", ".join(map(str, row.hidden))
            yield f"  not in its status yet, but of a child object: {hidden}"
        for text in (*row.reasons, *row.notes):
            yield f"  {text}"


def _fate(row: ServiceRow) -> str:
    kept = ", ".join(f"{address} ({pool_words(pool)})" for address, pool in row.kept.items())
    new = ", ".join(map(str, row.new))
    match row.fate:
        case Fate.FOREIGN:
            return "left alone"
        case Fate.KEEPS:
            return f"keeps {kept}" + (f", gets {new} too" if new else "")
        case Fate.GETS:
            return f"has no address, will get {new}"
        case Fate.WAITS:
            return "has no address, will get none"
    lost = ", ".join(str(item) for item in row.running if item not in row.kept)
    return (
        f"DOES NOT KEEP {lost}"
        + (f", will get {new}" if new else "")
        + (f", keeps {kept}" if kept else "")
    )


def _orphans(plan: Plan) -> Iterator[str]:
    for child in plan.orphans:
        addresses = ", ".join(map(str, child.addresses)) or "no address"
        yield f"{child.key} of Service {child.service}: {addresses}"


def _leftovers(leftovers: Leftovers) -> Iterator[str]:
    for program in leftovers.programs:
        state = f"{program.pods} pods" if program.pods else "no pods"
        yield f"{program.kind} {program.key}: {state}"
    for name in leftovers.webhooks:
        yield f"ValidatingWebhookConfiguration {name}: refuses writes once its server is gone"
    if leftovers.converter:
        yield f"the conversion of BGPPeers, by a server in namespace {leftovers.converter}"
    if leftovers.has_old_kind:
        yield "the internal kind SDNInternalL2LBService; the module removes it, after its start"


def _result(plan: Plan) -> Iterator[str]:
    served = [row for row in plan.services if row.fate is Fate.KEEPS]
    entries = len(plan.entries)
    yield f"{len(served)} Services keep their addresses, {len(plan.losing)} do not"
    yield f"{entries} addresses are to be entered into the ledger"
    if plan.problems:
        yield f"{len(plan.problems)} objects are wrong in part"


def next_steps(origin: Origin, move: Move, *, is_applied: bool) -> str:
    """Tell what is left to do, in order."""
    steps = list(_steps(origin, *move, is_applied=is_applied))
    return _section("Next:", (f"{number}. {text}" for number, text in enumerate(steps, 1)))


def _steps(origin: Origin, plan: Plan, leftovers: Leftovers, *, is_applied: bool) -> Iterator[str]:
    if not plan.fits:
        yield "settle what is told above, and run this again"
    if not leftovers.has_ledger:
        yield "apply the module's kinds (crds/), without which there is no ledger"
    if origin is Origin.DECKHOUSE:
        yield "switch the module's source; the old programs and the internal kind go by themselves"
        return
    own = [item for item in leftovers.programs if not item.is_router]
    controllers = [item for item in own if item.kind == "Deployment" and item.pods]
    for item in controllers:
        yield (
            f"stop the old controller, so that it gives no more addresses: kubectl --namespace "
            f"{item.key.namespace} scale deployment {item.key.name} --replicas=0"
        )
    if leftovers.converter:
        yield (
            "take the old conversion away: kubectl patch crd bgppeers.metallb.io --type merge "
            '--patch \'{"spec":{"conversion":{"strategy":"None","webhook":null}}}\''
        )
    if plan.entries and (not is_applied or controllers):
        yield "run this with --apply" + (" again" if is_applied else "")
    for name in leftovers.webhooks:
        yield f"kubectl delete validatingwebhookconfiguration {name}"
    for item in own:
        yield (
            f"kubectl --namespace {item.key.namespace} delete {item.kind.lower()} {item.key.name}"
        )
    if len(own) < len(leftovers.programs):
        yield (
            "delete the FRRConfigurations that MetalLB made, for frr-k8s goes on announcing what "
            "they say; and frr-k8s itself, if nobody else uses it"
        )
    yield "install this module, and keep the kinds, pools and advertisements where they are"
