"""What is wrong with an object that a user is about to store, kind by kind.

An object is refused for what would keep a part of it from working, and only then; what is merely
doubtful gives a warning. Objects are judged alone: what is wrong between two of them (ranges that
overlap, two default classes) may become right by the next write, so that is for their conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.classes import read_class
from metallb.api.fields import Fields
from metallb.net.ranges import parse_range

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metallb.api.fields import JsonObject


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an object is refused, with a JSON path in each sentence, and what is doubtful in it."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(value: JsonObject, before: JsonObject | None = None) -> Verdict:
    """Judge an object; one whose spec is as it was before is let through.

    So a label or a finalizer can be changed on an object that is wrong already, and nobody is kept
    from deleting it.
    """
    if before is not None and before.get("spec") == value.get("spec"):
        return Verdict()
    check = _CHECKS.get(str(value.get("kind", "")))
    return Verdict() if check is None else check(value)


def _judge_class(value: JsonObject) -> Verdict:
    found = read_class(value)
    errors = tuple(str(problem) for problem in found.problems)
    if errors or found.ranges:
        return Verdict(errors)
    return Verdict(warnings=("spec.addressPool is empty: the class has no address to give",))


def _judge_pool(value: JsonObject) -> Verdict:
    fields = Fields(value)
    spec = fields.child("spec")
    texts = spec.texts("addresses")
    for index, text in enumerate(texts):
        try:
            parse_range(text)
        except ValueError as error:
            spec.note(f"addresses[{index}]", str(error))
    errors = tuple(str(problem) for problem in fields.problems)
    if errors or texts:
        return Verdict(errors)
    return Verdict(warnings=("spec.addresses is empty: the pool has no address to give",))


_CHECKS: Mapping[str, Callable[[JsonObject], Verdict]] = {
    "MetalLoadBalancerClass": _judge_class,
    "MetalLoadBalancerPool": _judge_pool,
    "IPAddressPool": _judge_pool,
}
