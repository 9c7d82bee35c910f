"""What is wrong with an object that a user is about to store, or doubtful about deleting one.

An object is refused for what would keep a part of it from working, and only then; what is merely
doubtful gives a warning. One alone is judged by its reader; among all others by
`metallb.domain.validation`. Here is what is left: objects of metallb.io that are neither in the
module's namespace nor in MetalLB's, and pools that are deleted while Services hold their addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.fields import listed
from metallb.domain.decisions import UPSTREAM_NAMESPACE
from metallb.domain.validation import validate, validate_deletion
from metallb.domain.verdicts import Verdict
from metallb_controller.admission.kinds import KINDS, Kind
from metallb_controller.admission.questions import Operation, Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.api.meta import ObjectKey
    from metallb.domain.everything import Everything

_NAMED_SERVICES = 3


def judge(
    question: Question,
    everything: Everything,
    namespace: str,
    holders: Sequence[Sequence[ObjectKey]] = (),
) -> Verdict:
    """Judge a request; `holders` are, of a pool that is deleted, the Services of each address."""
    kind = KINDS.get(question.kind)
    if kind is None or question.is_harmless:
        return Verdict()
    if question.value is None:
        key = kind.read(question.before or {}).meta.key
        return validate_deletion(kind.name, key, everything) + _judge_holders(kind, holders)
    parsed = kind.read(question.value)
    found = Verdict(tuple(str(problem) for problem in parsed.problems))
    found += _judge_place(kind, parsed.meta.key, namespace, question.operation)
    found += validate(kind.name, parsed, everything)
    if kind.ranges and not found.errors and not parsed.ranges:
        text = f"spec.{kind.ranges} is empty: there is no address to give"
        found += Verdict(warnings=(text,))
    return found


def _judge_place(kind: Kind, key: ObjectKey, namespace: str, operation: Operation) -> Verdict:
    if not kind.is_native or key.namespace in (namespace, UPSTREAM_NAMESPACE):
        return Verdict()
    verb = "create it" if operation is Operation.CREATE else "keep it"
    text = (
        f"metadata.namespace: {kind.name} objects belong in the namespace {namespace} or "
        f"{UPSTREAM_NAMESPACE}, not in {key.namespace}; {verb} there"
    )
    return Verdict((text,))


def _judge_holders(kind: Kind, holders: Sequence[Sequence[ObjectKey]]) -> Verdict:
    services = sorted({str(key) for keys in holders for key in keys})
    if not services:
        return Verdict()
    shown = listed(services, _NAMED_SERVICES)
    addresses = f"{len(holders)} address{'es' if len(holders) > 1 else ''} of this {kind.name}"
    of_whom = f"{len(services)} Service{'s' if len(services) > 1 else ''}"
    return Verdict(warnings=(f"{addresses} will be taken from {of_whom}: {shown}",))
