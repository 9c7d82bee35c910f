"""Whether what a user wrote can be carried out: the condition `Valid` of kinds that are no pools.

An object is judged by its reader, by the translation into pools, and among all others by
`metallb.domain.validation`. A name of nothing, which admission only warns of since the other object
may come next, keeps an object from being valid for as long as there is no such object.

Other types of condition in the same status are of other writers (hooks), and stay. One of them
tells of the Secret that a peer names, which the controller may not read: what it says of the
object as it is now is taken up. Judging goes object by object, so that who calls can do something
else in between. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from metallb.api import (
    bfd_profiles,
    bgp_advertisements,
    bgp_peers,
    communities,
    layer2_advertisements,
    load_balancer_configurations,
    load_balancer_peers,
)
from metallb.api.conditions import (
    ClassCondition,
    Condition,
    other_conditions,
    read_conditions,
    stamped,
)
from metallb.api.fields import Fields
from metallb.api.meta import ObjectKey
from metallb.api.selectors import any_matches
from metallb.domain.bgp_references import BgpCondition
from metallb.domain.bgp_validation import NODE
from metallb.domain.everything import Everything
from metallb.domain.validation import validate
from metallb.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.fields import JsonObject, Problem
    from metallb.api.nodes import Node
    from metallb.domain.objects import ObjectId

JUDGED: Final = (
    load_balancer_peers.KIND,
    load_balancer_configurations.KIND,
    layer2_advertisements.KIND,
    bgp_advertisements.KIND,
    bgp_peers.KIND,
    bfd_profiles.KIND,
    communities.KIND,
)
"""Kinds that have the condition from here; pools and classes have it from `reports`."""

VALID, INVALID, UNKNOWN = "Valid", "InvalidSpec", "UnknownReference"

_MESSAGE_CHARACTERS: Final = 1024
_PEERS: Final = (bgp_peers.KIND, load_balancer_peers.KIND)
_NOTHING_WRONG: Final = Verdict()


@dataclass(frozen=True, slots=True)
class StatusPatch:
    """What an object's status is to say, with what it must still be when that is written."""

    kind: str
    key: ObjectKey
    body: JsonObject


class Validity:
    """The objects of both dialects as last seen, and what is wrong with them."""

    def __init__(self) -> None:
        self._everything = Everything()
        self._statuses: dict[ObjectId, JsonObject] = {}
        self.verdicts: Mapping[ObjectId, Verdict] = {}
        """What is wrong with which object of the kinds `JUDGED`, as of the last review."""

    def observe(self, kind: str, key: ObjectKey, found: Any, status: JsonObject) -> None:
        """Take in an object of any kind, or that it is gone (None)."""
        if found is None:
            self._everything.remove(kind, key)
            self._statuses.pop((kind, key), None)
        else:
            self._everything.put(kind, found)
            self._statuses[kind, key] = status

    def observe_node(self, key: ObjectKey, node: Node | None) -> None:
        """Take in a node, or that it is gone."""
        if node is None:
            self._everything.remove(NODE, key)
        else:
            self._everything.put(NODE, node)

    # -- judging -----------------------------------------------------------------------------------

    def review(self, noted: Mapping[ObjectId, tuple[Problem, ...]]) -> Iterator[None]:
        """Judge all objects, pausing after each; `noted` is what the translation found."""
        found: dict[ObjectId, Verdict] = {}
        for kind in JUDGED:
            for key in list(self._everything.of(kind)):
                verdict = self._judge((kind, key), noted.get((kind, key), ()))
                if verdict != _NOTHING_WRONG:
                    found[kind, key] = verdict
                yield
        self.verdicts = found

    def _judge(self, of: ObjectId, noted: tuple[Problem, ...]) -> Verdict:
        kind, key = of
        item = self._everything.of(kind).get(key)
        if item is None:
            return _NOTHING_WRONG
        among = _NOTHING_WRONG
        if kind != communities.KIND:  # of two with one name the translation notes the one that lost
            among = validate(kind, item, self._everything)
        errors = [*map(str, item.problems), *map(str, noted), *among.errors]
        warnings = (*among.warnings, *self._unreadable_secret(of, item))
        return Verdict(tuple(dict.fromkeys(errors)), warnings)

    def _unreadable_secret(self, of: ObjectId, item: Any) -> Iterator[str]:
        """Say what a hook found wrong with the Secret that a peer names."""
        if of[0] in _PEERS:
            kind = BgpCondition.RESOLVED
            found = read_conditions(Fields(self._statuses[of]), (kind,)).get(kind)
            is_of_this = found is not None and found.observed_generation == item.meta.generation
            if found is not None and is_of_this and not found.is_true:
                yield found.message

    # -- statuses ----------------------------------------------------------------------------------

    def patches(self, now: str) -> list[StatusPatch]:
        """Give what is to be written so that all statuses say what the last review found."""
        found = (
            self._patch((kind, key), item, now)
            for kind in JUDGED
            for key, item in self._everything.of(kind).items()
        )
        return [patch for patch in found if patch is not None]

    def _patch(self, of: ObjectId, item: Any, now: str) -> StatusPatch | None:
        status = Fields(self._statuses[of])
        generation = item.meta.generation
        wanted = _condition(self.verdicts.get(of, _NOTHING_WRONG), generation)
        present = read_conditions(status, (ClassCondition.VALID,))
        is_of_this = status.value.get("observedGeneration") == generation
        if is_of_this and wanted.says_the_same_as(present.get(wanted.type)):
            return None
        others = other_conditions(status, (wanted.type,))
        body = {
            "metadata": {"uid": item.meta.uid, "resourceVersion": item.meta.resource_version},
            "status": {
                "observedGeneration": generation,
                "conditions": [*others, stamped(wanted, present, now).to_object()],
            },
        }
        return StatusPatch(*of, body)

    # -- what configurations say, as MetalLB judges them -------------------------------------------

    def faults(
        self,
        noted: Mapping[ObjectId, tuple[Problem, ...]],
        refusals: Mapping[ObjectId, tuple[str, ...]],
    ) -> dict[ObjectId, tuple[str, ...]]:
        """Give what is wrong in all objects, pools too.

        `noted` is what the translation found, `refusals` what else is wrong with pools. A name of
        nothing is a fault where MetalLB refuses to go on: that of a BFD profile, or of a Secret.
        """
        found = {of: tuple(map(str, problems)) for of, problems in noted.items()}
        for of, texts in refusals.items():
            found[of] = found.get(of, ()) + texts
        for of, verdict in self.verdicts.items():
            texts = verdict.errors
            if of[0] in _PEERS:
                texts += verdict.warnings
            if texts:
                found[of] = texts
        return {of: found[of] for of in sorted(found)}

    def concerns(self, of: ObjectId, node: str) -> bool:
        """Tell whether an object is for the speaker of a node: what selects nodes may not be."""
        kind, key = of
        item = self._everything.of(kind).get(key)
        if item is None:
            return True
        if kind == load_balancer_peers.KIND:
            users = self._everything.of(load_balancer_configurations.KIND).values()
            return any(
                key.name in user.peers and user.node_selector.matches(self._labels(node))
                for user in users
            )
        if kind == load_balancer_configurations.KIND:
            return bool(item.node_selector.matches(self._labels(node)))
        if kind in (bgp_advertisements.KIND, bgp_peers.KIND):
            return any_matches(item.node_selectors, self._labels(node))
        return True

    def _labels(self, node: str) -> Mapping[str, str]:
        found = self._everything.of(NODE).get(ObjectKey("", node))
        return {} if found is None else found.labels


def _condition(verdict: Verdict, generation: int) -> Condition:
    reason = INVALID if verdict.errors else UNKNOWN if verdict.warnings else VALID
    message = "; ".join((*verdict.errors, *verdict.warnings))[:_MESSAGE_CHARACTERS]
    return Condition(
        ClassCondition.VALID, reason == VALID, reason, message, observed_generation=generation
    )
