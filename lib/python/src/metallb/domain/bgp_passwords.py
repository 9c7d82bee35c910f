"""Passwords of BGP sessions: Secrets of users, brought to the module's namespace.

A MetalLoadBalancerBGPPeer names a Secret of any namespace, which must carry a label that says that
it is meant for this. A BGPPeer names one of the module's namespace, which needs no copy, or one of
`metallb-system`, where it has been since before the module came; it is of a type instead. Speakers
may read Secrets of the module's namespace only, so a copy is made there, named after its source,
and taken away when no peer names it any more. Passwords go from snapshot to patch; values and the
release never hold them.

A copy is of type `kubernetes.io/basic-auth`, which the API server refuses without a `password`:
a source without one is not copied. Two sources whose copies would have one name (`a-b/c` and
`a/b-c`) are told apart by order: the first of them has the name, the other is not copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api.label_syntax import is_object_name
from metallb.api.meta import ObjectKey
from metallb.domain.decisions import (
    NAMESPACE,
    OUR_LABELS,
    UPSTREAM_NAMESPACE,
    CreateOrUpdate,
    Decision,
    Delete,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.api.fields import Fields
    from metallb.domain.decisions import Situation

SOURCE_LABEL = "network.deckhouse.io/metallb-bgp-password"
COPY_LABEL = "network.deckhouse.io/metallb-bgp-password-copy"
SECRET_TYPE = "kubernetes.io/basic-auth"
PASSWORD_KEY = "password"


class PasswordFault(StrEnum):
    """Why a peer's session is without the password that it names."""

    NOT_FOUND = "PasswordSecretNotFound"
    NO_PASSWORD = "PasswordSecretInvalid"
    NAME_TAKEN = "PasswordSecretNameTaken"
    WRONG_TYPE = "PasswordSecretWrongType"
    WRONG_NAMESPACE = "PasswordSecretWrongNamespace"


@dataclass(frozen=True, slots=True)
class PasswordCopies:
    """Which sources are copied under which name, and why the others are not."""

    sources: Mapping[str, ObjectKey]
    faults: Mapping[ObjectKey, PasswordFault]


def copy_name(source: ObjectKey) -> str:
    """Name the copy of a Secret."""
    return f"bgp-pwd-{source.namespace}-{source.name}"


def password_refs(peer: Fields) -> dict[str, ObjectKey]:
    """Read the Secrets that a peer names, by the paths where it does."""
    return _refs(peer, "passwordSecretRef", "")


def native_password_refs(peer: Fields) -> dict[str, ObjectKey]:
    """Read the Secrets that a BGPPeer names; without a namespace one is in that of the peer."""
    return _refs(peer, "passwordSecret", peer.text("namespace"))


def _refs(peer: Fields, name: str, namespace: str) -> dict[str, ObjectKey]:
    authentication = peer.child("tcpAuthentication")
    places = {
        f".spec.{name}": peer.child(name),
        ".spec.tcpAuthentication.secretRef": authentication.child("secretRef"),
    }
    keys = {
        path: ObjectKey(ref.text("namespace") or namespace, ref.text("name"))
        for path, ref in places.items()
    }
    return {path: key for path, key in keys.items() if key.namespace and key.name}


def plan_copies(
    wanted: Iterable[ObjectKey],
    secrets: Iterable[Fields],
    taken: Mapping[str, ObjectKey] | None = None,
) -> PasswordCopies:
    """Decide which of the named Secrets are copied.

    `secrets` have `namespace`, `name` and `data`, of which only the keys are looked at; `taken` are
    names of copies that others have.
    """
    keys_of = {
        ObjectKey(item.text("namespace"), item.text("name")): item.child("data").value
        for item in secrets
    }
    sources: dict[str, ObjectKey] = {}
    faults: dict[ObjectKey, PasswordFault] = {}
    holders = dict(taken or {})
    for key in sorted(set(wanted)):
        if key not in keys_of:
            faults[key] = PasswordFault.NOT_FOUND
        elif not keys_of[key].get(PASSWORD_KEY):
            faults[key] = PasswordFault.NO_PASSWORD
        elif holders.setdefault(copy_name(key), key) != key or not is_object_name(copy_name(key)):
            faults[key] = PasswordFault.NAME_TAKEN
        else:
            sources[copy_name(key)] = key
    return PasswordCopies(sources, faults)


def plan_all(situation: Situation) -> tuple[PasswordCopies, PasswordCopies]:
    """Decide what is copied for peers of Deckhouse's dialect, and for those of MetalLB's."""
    wanted = [ref for peer in situation.snapshot("peers") for ref in password_refs(peer).values()]
    plan = plan_copies(wanted, situation.snapshot("secrets"))
    foreign = [
        ref
        for peer in situation.snapshot("native-peers")
        for ref in native_password_refs(peer).values()
        if ref.namespace == UPSTREAM_NAMESPACE
    ]
    return plan, plan_copies(foreign, situation.snapshot("native-secrets"), plan.sources)


def bgp_passwords(situation: Situation) -> Decision:
    """Make the copies that peers need, and delete the others.

    Snapshots: `peers` with `passwordSecretRef` and `tcpAuthentication`, `secrets` with `namespace`,
    `name` and `data`; `native-peers` with `namespace`, `passwordSecret` and `tcpAuthentication`,
    `native-secrets` like `secrets`, those of
    `metallb-system` that are of the type; `copies` with `name` and `data`, `namespace` (whether
    there is one to write to).
    """
    if not situation.snapshot("namespace"):
        return Decision()
    plan, native = plan_all(situation)
    sources = {**native.sources, **plan.sources}
    data_of = {
        ObjectKey(item.text("namespace"), item.text("name")): item.mapping("data")
        for item in (*situation.snapshot("native-secrets"), *situation.snapshot("secrets"))
    }
    present = {item.text("name"): item.mapping("data") for item in situation.snapshot("copies")}
    decision = Decision()
    for name, source in sorted(sources.items()):
        if present.get(name) != data_of[source]:
            decision.operations.append(CreateOrUpdate(_copy(name, source, data_of[source])))
    for name in sorted(present.keys() - sources.keys() - {""}):
        decision.operations.append(Delete(Target("v1", "Secret", name, NAMESPACE)))
    return decision


def _copy(name: str, source: ObjectKey, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {**OUR_LABELS, "app": "speaker", COPY_LABEL: "true"},
            "annotations": {f"{SOURCE_LABEL}-source": str(source)},
        },
        "type": SECRET_TYPE,
        "data": data,
    }
