"""The certificate of the admission webhook: which of those at hand is used, and when a new one is
made.

Certificate authority and leaf are made together and renewed together, 30 days before they end. The
Secret, written by the chart, is believed first: after a restart of the operator nothing else is
left. What the values hold is believed next: between a hook's run and the release the Secret is not
there yet. So no run makes a pair while a good one exists, and the checksum of the values rests.

The authority that signed the last leaf stays in the bundle behind the new one: for the minutes in
which a pod still serves the old leaf, the API server still accepts it.

Where no hook runs, the leading controller keeps the Secret itself (`renewal`). It writes only a
Secret that is not there or has its own label: one of the chart, which a hook filled or a user,
has not, and is used as it is.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields
from metallb.domain.decisions import NAMESPACE, Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from metallb.api.fields import JsonObject
    from metallb.domain.decisions import Situation

SERVICE = "metallb-webhook"
SECRET = "metallb-webhook-tls"
OWNER_LABEL = "app.kubernetes.io/managed-by"
OWNER = "metallb-controller"
"""Label of a Secret that the controller keeps."""
LIFETIME = timedelta(days=365)
RENEWAL = timedelta(days=30)
"""How long before its end a certificate is replaced."""


@dataclass(frozen=True, slots=True)
class TlsPair:
    """A bundle of authorities, the leaf and its key, all PEM; the first authority signed it."""

    ca: str
    crt: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredPair:
    """The Secret as it is: what is in it, if that can be read, and whether we are to keep it."""

    pair: TlsPair | None
    is_ours: bool
    resource_version: str


def webhook_certificate(
    situation: Situation,
    is_good: Callable[[TlsPair, Sequence[str], datetime], bool],
    make: Callable[[Sequence[str], datetime, str], TlsPair],
) -> Decision:
    """Choose the pair to serve with.

    Snapshot: `secret` with `ca`, `crt` and `key` (base64). `is_good` tells whether a pair serves
    all names until a time; `make` makes one that serves names from now, given the old bundle.
    """
    names = service_names(situation.shared)
    until = situation.now + RENEWAL
    present = [pair for pair in (_in_secret(situation), _in_values(situation)) if pair is not None]
    chosen = next((pair for pair in present if is_good(pair, names, until)), None)
    if chosen is None:
        chosen = make(names, situation.now, present[0].ca if present else "")
    return Decision(values={"internal.webhookCert": asdict(chosen)})


def renewal(
    stored: StoredPair | None,
    namespace: str,
    now: datetime,
    is_good: Callable[[TlsPair, Sequence[str], datetime], bool],
    make: Callable[[Sequence[str], datetime, str], TlsPair],
) -> TlsPair | None:
    """Give the pair that the controller is to write into its Secret; None: nothing is to be done.

    `is_good` and `make` are as above.
    """
    names = names_in(namespace)
    if stored is None:
        return make(names, now, "")
    if not stored.is_ours:
        return None
    if stored.pair is not None and is_good(stored.pair, names, now + RENEWAL):
        return None
    return make(names, now, stored.pair.ca if stored.pair is not None else "")


def secret_object(pair: TlsPair, stored: StoredPair | None) -> dict[str, Any]:
    """Give the Secret that holds a pair; it replaces the stored one only as that was seen."""
    meta: dict[str, Any] = {"name": SECRET, "labels": {OWNER_LABEL: OWNER}}
    if stored is not None:
        meta["resourceVersion"] = stored.resource_version
    texts = {"ca.crt": pair.ca, "tls.crt": pair.crt, "tls.key": pair.key}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    return {"type": "kubernetes.io/tls", "metadata": meta, "data": data}


def read_secret(value: JsonObject) -> StoredPair:
    """Read the Secret; never raises."""
    fields = Fields(value)
    meta, data = fields.child("metadata"), fields.child("data")
    try:
        pair = _pair(*(_decoded(data.text(name)) for name in ("ca.crt", "tls.crt", "tls.key")))
    except ValueError:
        pair = None
    is_ours = meta.child("labels").text(OWNER_LABEL) == OWNER
    return StoredPair(pair, is_ours, meta.text("resourceVersion"))


def service_names(shared: object) -> list[str]:
    """Give the names and addresses by which the webhook may be called."""
    discovered = Fields(shared if isinstance(shared, dict) else {}).child("discovery")
    domain = discovered.text("clusterDomain")
    names = names_in(NAMESPACE)
    return [*names, f"{names[-1]}.{domain}"] if domain else names


def names_in(namespace: str) -> list[str]:
    """Give the names that the webhook has in every cluster."""
    name = f"{SERVICE}.{namespace}"
    return ["localhost", "127.0.0.1", SERVICE, name, f"{name}.svc"]


def _in_secret(situation: Situation) -> TlsPair | None:
    for secret in situation.snapshot("secret"):
        try:
            return _pair(*(_decoded(secret.text(name)) for name in ("ca", "crt", "key")))
        except ValueError:
            return None
    return None


def _in_values(situation: Situation) -> TlsPair | None:
    found = situation.internal().child("webhookCert")
    return _pair(*(found.text(name) for name in ("ca", "crt", "key")))


def _pair(ca: str, crt: str, key: str) -> TlsPair | None:
    return TlsPair(ca, crt, key) if ca and crt and key else None


def _decoded(data: str) -> str:
    return base64.b64decode(data, validate=True).decode()
