"""Names of CRDs: which are taken, and the conditions that say so.

A port of the naming and establishing controllers, run in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver.documents import copied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def condition(kind: str, status: str, reason: str, message: str, now: str) -> Document:
    """One condition."""
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def find_condition(crd: Document, kind: str) -> Document | None:
    """A condition by its type."""
    conditions = crd.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), None)


def is_true(crd: Document, kind: str) -> bool:
    """Whether a condition holds."""
    found = find_condition(crd, kind)
    return found is not None and found["status"] == "True"


def set_condition(crd: Document, new: Document) -> None:
    """Replaces a condition; the transition time moves with the status alone."""
    conditions = crd["status"].get("conditions") or []
    for index, old in enumerate(conditions):
        if old["type"] == new["type"]:
            if old["status"] == new["status"]:
                new["lastTransitionTime"] = old["lastTransitionTime"]
            conditions[index] = new
            break
    else:
        conditions.append(new)
    crd["status"]["conditions"] = conditions


def settled(crd: Document, others: Iterable[Document], now: str) -> Document:
    """The CRD with its names accepted or not, and established once they were."""
    out: Document = copied(crd)
    wanted = out["spec"]["names"]
    accepted = out["status"].get("acceptedNames") or {}
    taken, kinds = taken_names(out, others)
    new, refusals = {}, []
    for name, pool, reason in (
        ("plural", taken, "PluralConflict"),
        ("singular", taken, "SingularConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        value = wanted.get(name, "")
        if value and value != accepted.get(name) and value in pool:
            refusals.append((reason, f'"{value}" is already in use'))
            value = accepted.get(name, "")
        new[name] = value
    mine = accepted.get("shortNames") or []
    clashes = [s for s in wanted.get("shortNames") or [] if s not in mine and s in taken]
    if clashes:
        refusals.append(("ShortNamesConflict", f'"{clashes[0]}" is already in use'))
    short = mine if clashes else wanted.get("shortNames") or []
    new = {k: v for k, v in new.items() if v or k in ("plural", "kind")}
    if short:
        new["shortNames"] = short
    if wanted.get("categories"):
        new["categories"] = wanted["categories"]
    out["status"]["acceptedNames"] = new
    if refusals:
        set_condition(out, condition("NamesAccepted", "False", *refusals[-1], now))
    else:
        text = "no conflicts found"
        set_condition(out, condition("NamesAccepted", "True", "NoConflicts", text, now))
    establish(out, bool(refusals), now)
    return out


def establish(crd: Document, refused: bool, now: str) -> None:
    """Established once is established for good."""
    if is_true(crd, "Established"):
        return
    if refused:
        text = "not all names are accepted"
        set_condition(crd, condition("Established", "False", "NotAccepted", text, now))
    else:
        text = "the initial names have been accepted"
        reason = "InitialNamesAccepted"
        set_condition(crd, condition("Established", "True", reason, text, now))


def taken_names(crd: Document, others: Iterable[Document]) -> tuple[set[str], set[str]]:
    """Resource names and kinds that other CRDs of the group hold."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        same_group = other["spec"]["group"] == crd["spec"]["group"]
        if other["metadata"]["name"] == crd["metadata"]["name"] or not same_group:
            continue
        names = other["status"].get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", "")}
        resources |= set(names.get("shortNames") or ())
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}
