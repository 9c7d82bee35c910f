"""What is wrong between the BGP objects of users, told on the objects themselves.

Deckhouse drops an unknown peer or a missing password with a line in a log that nobody reads. Here
each object says in a condition whether all that it names exists, and pools say which other pool
has the same addresses; what is wrong is a metric and an Event as well.

Of a BGPPeer of MetalLB's the Secret with the password is judged, for the controller may not read
Secrets: it takes this condition up into its own (`metallb_controller.reconcile.validity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api import bgp_peers
from metallb.api.conditions import Condition, read_conditions, stamped
from metallb.api.meta import GROUP, ObjectKey, Reference
from metallb.domain.bgp_passwords import (
    PASSWORD_KEY,
    SECRET_TYPE,
    SOURCE_LABEL,
    PasswordFault,
    copy_name,
    native_password_refs,
    password_refs,
    plan_all,
)
from metallb.domain.decisions import (
    NAMESPACE,
    UPSTREAM_NAMESPACE,
    Decision,
    MergePatch,
    Target,
)
from metallb.domain.findings import Finding, events_of, metrics_of, rfc3339
from metallb.domain.hook_metrics import HookMetric, MetricGroup
from metallb.net.ranges import RangeSet, parse_whole_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metallb.api.fields import Fields
    from metallb.domain.bgp_passwords import PasswordCopies
    from metallb.domain.decisions import Situation

API_VERSION = f"{GROUP}/v1alpha1"
CONFIGURATION = "MetalLoadBalancerConfiguration"
PEER = "MetalLoadBalancerBGPPeer"
POOL = "MetalLoadBalancerPool"


class BgpCondition(StrEnum):
    """Condition types of BGP objects that hooks write."""

    RESOLVED = "ReferencesResolved"
    VALID = "AddressesValid"


class ReferenceFault(StrEnum):
    """Why an object does not do all that it says, besides `PasswordFault`."""

    UNKNOWN_PEER = "UnknownPeer"
    UNKNOWN_POOL = "UnknownPool"
    INVALID_RANGE = "InvalidRange"
    OVERLAPS = "OverlappingPools"


@dataclass(frozen=True, slots=True)
class Judged:
    """One object with what is wrong in it."""

    fields: Fields
    kind: str
    condition: BgpCondition
    faults: tuple[tuple[str, str, str], ...]
    """Path, reason and message of each."""
    api_version: str = API_VERSION

    @property
    def key(self) -> ObjectKey:
        """Namespace and name of the object."""
        return ObjectKey(self.fields.text("namespace"), self.name)

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.fields.text("name")

    def findings(self) -> Iterator[Finding]:
        """Give the faults as findings."""
        of = Reference(self.api_version, self.kind, self.key, self.fields.text("uid"))
        for path, reason, message in self.faults:
            yield Finding(of, path, reason, message)


def bgp_references(situation: Situation) -> Decision:
    """Judge all BGP objects.

    Snapshots: `configurations` with `peerNames` and `advertisements`, `peers` with
    `passwordSecretRef` and `tcpAuthentication`, `pools` with `addresses`, each with `name`, `uid`,
    `generation` and `conditions`; `secrets` with `namespace`, `name` and `data` (only its keys
    matter); `native-peers` like `peers`, with `namespace`, and `passwordSecret` in place of
    `passwordSecretRef`; `own-secrets`, those of the module's namespace, and `native-secrets`, those
    of `metallb-system`, with `namespace`, `name`, `type` and `data`.
    """
    judged = [
        *_judge_configurations(situation),
        *_judge_peers(situation),
        *_judge_native_peers(situation),
        *_judge_pools(situation.snapshot("pools")),
    ]
    findings = [finding for item in judged for finding in item.findings()]
    patches = [patch for item in judged if (patch := _status_patch(item, situation)) is not None]
    return Decision(
        operations=[*patches, *events_of(findings, situation.now)],
        metrics={MetricGroup.BGP_OBJECTS: metrics_of(HookMetric.PROBLEM, findings)},
    )


def _judge_configurations(situation: Situation) -> Iterator[Judged]:
    peers = {item.text("name") for item in situation.snapshot("peers")}
    pools = {item.text("name") for item in situation.snapshot("pools")}
    for item in situation.snapshot("configurations"):
        faults = [
            (f".spec.bgp.peerNames[{index}]", ReferenceFault.UNKNOWN_PEER, f"no {PEER} {name!r}")
            for index, name in enumerate(item.texts("peerNames"))
            if name not in peers
        ]
        for index, advertisement in enumerate(item.children("advertisements")):
            path = f".spec.advertisements[{index}].poolNames"
            faults += [
                (f"{path}[{place}]", ReferenceFault.UNKNOWN_POOL, f"no {POOL} {name!r}")
                for place, name in enumerate(advertisement.texts("poolNames"))
                if name not in pools
            ]
        yield Judged(item, CONFIGURATION, BgpCondition.RESOLVED, tuple(faults))


def _judge_peers(situation: Situation) -> Iterator[Judged]:
    plan, _ = plan_all(situation)
    for item in situation.snapshot("peers"):
        faults = tuple(
            _password_fault(path, ref, plan.faults[ref], plan)
            for path, ref in password_refs(item).items()
            if ref in plan.faults
        )
        yield Judged(item, PEER, BgpCondition.RESOLVED, faults)


def _judge_native_peers(situation: Situation) -> Iterator[Judged]:
    secrets = {
        ObjectKey(item.text("namespace"), item.text("name")): item
        for item in (*situation.snapshot("own-secrets"), *situation.snapshot("native-secrets"))
    }
    _, plan = plan_all(situation)
    for item in situation.snapshot("native-peers"):
        faults = tuple(
            (path, *fault)
            for path, key in native_password_refs(item).items()
            if (fault := _native_fault(key, secrets.get(key), plan)) is not None
        )
        kind, version = bgp_peers.KIND, bgp_peers.API_VERSION
        yield Judged(item, kind, BgpCondition.RESOLVED, faults, version)


def _native_fault(
    key: ObjectKey, secret: Fields | None, plan: PasswordCopies
) -> tuple[PasswordFault, str] | None:
    """Say why speakers do not get the password of a Secret."""
    if key.namespace not in (NAMESPACE, UPSTREAM_NAMESPACE):
        words = f"Secret {key} must be in namespace {NAMESPACE} or {UPSTREAM_NAMESPACE}"
        return PasswordFault.WRONG_NAMESPACE, words
    if secret is None:
        return PasswordFault.NOT_FOUND, f"no Secret {key}"
    if secret.text("type") != SECRET_TYPE:
        words = f"Secret {key} is of type {secret.text('type')}, not {SECRET_TYPE}"
        return PasswordFault.WRONG_TYPE, words
    if not secret.child("data").value.get(PASSWORD_KEY):
        return PasswordFault.NO_PASSWORD, f"Secret {key} has no key {PASSWORD_KEY}"
    if plan.faults.get(key) is PasswordFault.NAME_TAKEN:
        return PasswordFault.NAME_TAKEN, f"the name of the copy of Secret {key} is taken"
    return None


def _password_fault(
    path: str, ref: ObjectKey, fault: PasswordFault, plan: PasswordCopies
) -> tuple[str, str, str]:
    match fault:
        case PasswordFault.NOT_FOUND:
            message = f'no Secret {ref} with the label {SOURCE_LABEL}: "true"'
        case PasswordFault.NO_PASSWORD:
            message = f"Secret {ref} has no key password"
        case _:
            holder = plan.sources.get(copy_name(ref))
            name = "a name that no object can have"
            if holder is not None:
                name = f"the name of the copy of {holder}"
            message = f"the copy of Secret {ref} would have {name}"
    return path, fault, message


def _judge_pools(pools: Sequence[Fields]) -> Iterator[Judged]:
    taken: list[tuple[str, RangeSet]] = []
    for item in sorted(pools, key=lambda pool: pool.text("name")):
        ranges, faults = [], []
        for index, text in enumerate(item.texts("addresses")):
            path = f".spec.addresses[{index}]"
            try:
                found = parse_whole_range(text)
            except ValueError as error:
                faults.append((path, ReferenceFault.INVALID_RANGE, str(error)))
                continue
            ranges.append(found)
            overlapping = _overlapping(RangeSet([found]), taken)
            if overlapping:
                message = f"{text} has addresses of pool {overlapping}"
                faults.append((path, ReferenceFault.OVERLAPS, message))
        taken.append((item.text("name"), RangeSet(ranges)))
        yield Judged(item, POOL, BgpCondition.VALID, tuple(faults))


def _overlapping(ranges: RangeSet, taken: Iterable[tuple[str, RangeSet]]) -> str:
    return next((name for name, others in taken if ranges.intersection(others)), "")


def _status_patch(item: Judged, situation: Situation) -> MergePatch | None:
    """Give the patch that makes the object's condition say what was found, if it does not."""
    present = read_conditions(item.fields, [item.condition])
    message = "; ".join(f"{path}: {text}" for path, _, text in item.faults)[:1024]
    reason = item.faults[0][1] if item.faults else "AllRight"
    generation = item.fields.integer("generation", 0, 0, 2**63 - 1)
    wanted = Condition(item.condition, not item.faults, reason, message, "", generation)
    if wanted.says_the_same_as(present.get(item.condition)):
        return None
    ours = stamped(wanted, present, rfc3339(situation.now)).to_object()
    others = [
        other.value
        for other in item.fields.children("conditions")
        if other.text("type") != item.condition
    ]
    conditions: list[Any] = [*others, ours]
    target = Target(item.api_version, item.kind, item.name, item.key.namespace)
    return MergePatch(target, {"status": {"conditions": conditions}}, "status")
