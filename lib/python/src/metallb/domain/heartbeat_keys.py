"""The keys with which speakers sign heartbeats, and their change without a gap.

    Secret, data `keys`: one key a line as hex; the first one signs, each of them is accepted.

        Stable [A] --- A is old enough ---> Adding [A B]     B is accepted everywhere, soon
           ^                                   | wait
           |                                   v
           '---------- wait ------------- Retiring [B A]     B signs, what A signed is accepted

A kubelet brings a changed Secret to its pods within about two minutes (its sync period and the
age of its cache), so each wait is much longer: a node that is slow, or cut off from the API
server for a while, still understands the others. State and time are in the Secret's annotations;
when they cannot be read, or lie in the future, the wait begins anew. Keys that cannot be read are
replaced at once: no speaker could read them either. The first key never replaces a Secret: a run
whose snapshot is a moment old must not take a key away that speakers have got meanwhile.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields
from metallb.domain.decisions import (
    NAMESPACE,
    OUR_LABELS,
    CreateIfNotExists,
    CreateOrUpdate,
    Decision,
)
from metallb.domain.findings import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.domain.decisions import Situation

SECRET = "metallb-heartbeat-keys"
DATA_KEY = "keys"
PHASE_ANNOTATION = "network.deckhouse.io/heartbeat-keys-phase"
SINCE_ANNOTATION = "network.deckhouse.io/heartbeat-keys-since"

KEY_BYTES = 32
PROPAGATION = timedelta(minutes=30)
"""Many times what a kubelet needs to bring a changed Secret to a pod."""
DEFAULT_ROTATION_DAYS = 30

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


class Phase(StrEnum):
    """Where the change of keys stands."""

    STABLE = "Stable"
    ADDING = "Adding"
    RETIRING = "Retiring"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in force, and since when they are so."""

    keys: tuple[str, ...]
    phase: Phase
    since: datetime


def heartbeat_keys(situation: Situation, new_key: Callable[[], str]) -> Decision:
    """Make the Secret, or take the next step when it is time.

    Snapshots: `secret` with `keys` (base64), `phase` and `since`; `namespace` (whether there is
    one to write to). `new_key` gives a key as hex.
    """
    if not situation.snapshot("namespace"):
        return Decision()
    found = next(iter(situation.snapshot("secret")), None)
    present = None if found is None else read_ring(found, situation.now)
    if present is None:
        wanted = KeyRing((new_key(),), Phase.STABLE, situation.now)
    else:
        wanted = next_ring(present, situation.now, _rotation(situation), new_key)
    secret = _secret(wanted)
    if found is None:
        return Decision(operations=[CreateIfNotExists(secret)])
    if found.value == {
        "keys": secret["data"][DATA_KEY],
        "phase": secret["metadata"]["annotations"][PHASE_ANNOTATION],
        "since": secret["metadata"]["annotations"][SINCE_ANNOTATION],
    }:
        return Decision()
    return Decision(operations=[CreateOrUpdate(secret)])


def next_ring(
    ring: KeyRing, now: datetime, rotation: timedelta, new_key: Callable[[], str]
) -> KeyRing:
    """Take the next step of the diagram, or none."""
    age = now - ring.since
    match ring.phase:
        case Phase.STABLE if age >= rotation:
            return KeyRing((*ring.keys, new_key()), Phase.ADDING, now)
        case Phase.ADDING if age >= PROPAGATION:
            return KeyRing(tuple(reversed(ring.keys)), Phase.RETIRING, now)
        case Phase.RETIRING if age >= PROPAGATION:
            return KeyRing(ring.keys[:1], Phase.STABLE, now)
    return ring


def read_ring(secret: Fields, now: datetime) -> KeyRing | None:
    """Read what the Secret says; None: there are no keys that could be used."""
    keys = _read_keys(secret.text("keys"))
    if not keys:
        return None
    since = _read_time(secret.text("since"))
    if since is None or since > now:
        since = now
    if len(keys) == 1:
        return KeyRing(keys, Phase.STABLE, since)
    is_adding = secret.text("phase") == Phase.ADDING and len(keys) == 2
    return KeyRing(keys, Phase.ADDING if is_adding else Phase.RETIRING, since)


def _read_keys(data: str) -> tuple[str, ...]:
    try:
        text = base64.b64decode(data, validate=True).decode("ascii")
    except ValueError:
        return ()
    keys = tuple(dict.fromkeys(text.split()))
    return keys if all(map(_KEY.fullmatch, keys)) else ()


def _read_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _rotation(situation: Situation) -> timedelta:
    l2 = Fields(situation.values).child("l2")
    days = l2.integer("heartbeatKeyRotationDays", DEFAULT_ROTATION_DAYS, 1, 365)
    return timedelta(days=days)


def _secret(ring: KeyRing) -> dict[str, Any]:
    text = "".join(f"{key}\n" for key in ring.keys)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "namespace": NAMESPACE,
            "labels": {**OUR_LABELS, "app": "speaker"},
            "annotations": {
                PHASE_ANNOTATION: ring.phase.value,
                SINCE_ANNOTATION: rfc3339(ring.since),
            },
        },
        "type": "Opaque",
        "data": {DATA_KEY: base64.b64encode(text.encode()).decode()},
    }
