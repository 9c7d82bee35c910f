"""A metallb.io BGPPeer from one version into another: v1beta1, which is deprecated, and v1beta2.

All fields of v1beta1 are in v1beta2 under the same names, so they pass both ways as they are, but
for two that v1beta1 could not leave out:

* A timer of zero (`holdTime`, `keepaliveTime`) and a port of zero mean in v1beta1 that nothing was
  set; clients made from its Go type write them always. In v1beta2 they are absent then. (Upstream
  makes explicit zeros of them, which ask for a session without a hold timer.)
* What only v1beta2 can say, an explicit zero timer too, is kept in an annotation while the object
  is shown as v1beta1. So a client of v1beta1 that changes a label and writes the whole object
  back takes nothing away. Only fields that v1beta2 has are taken out of the annotation again.

Nothing here judges values: that is for the schema and for admission.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

GROUP = "metallb.io"
KIND = "BGPPeer"
OLD = f"{GROUP}/v1beta1"
NEW = f"{GROUP}/v1beta2"
ANNOTATION = "metallb.io/v1beta2-fields"

_TIMERS = ("holdTime", "keepaliveTime")
_ONLY_NEW = frozenset(
    {
        "dynamicASN", "localASN", "interface", "connectTime", "passwordSecret", "vrf",
        "enableGracefulRestart", "disableMP", "dualStackAddressFamily", "ttlSecurityHops",
        "passive", "role", "strictRole", "longLivedRestartTime", "sendHoldTime", "bfdStrict",
        "extendedLinkBandwidth", "tcpAuthentication",
    }
)  # fmt: skip
_DEFAULTED = {"disableMP": False, "dualStackAddressFamily": False}
_ZERO = re.compile(r"0|(0+(\.0*)?(h|m|s|ms|us|µs|ns))+")  # as Go writes durations


class ConversionError(ValueError):
    """An object cannot be converted; the text says why."""


def convert_peer(value: JsonObject, version: str) -> dict[str, Any]:
    """Give a BGPPeer in another version; raises ConversionError for what is none."""
    present = value.get("apiVersion")
    if value.get("kind") != KIND or present not in (OLD, NEW):
        raise ConversionError(f"{present}, Kind={value.get('kind')} is no {KIND} of {GROUP}")
    if version not in (OLD, NEW):
        raise ConversionError(f"a {KIND} cannot be converted to {version}")
    converted = {**value, "apiVersion": version}
    if version == present:
        return converted
    spec = _mapping(value.get("spec"))
    meta = _mapping(value.get("metadata"))
    annotations = _mapping(meta.get("annotations"))
    if version == OLD:
        spec, kept = _to_old(spec)
        if kept:
            annotations[ANNOTATION] = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    else:
        spec = _to_new(spec, _kept(annotations.pop(ANNOTATION, None)))
    converted["spec"] = spec
    converted["metadata"] = _with_annotations(meta, annotations)
    return converted


def _to_old(spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    kept = {
        name: item
        for name, item in spec.items()
        if name in _ONLY_NEW and not (name in _DEFAULTED and item == _DEFAULTED[name])
    }
    shown = {name: item for name, item in spec.items() if name not in _ONLY_NEW}
    return shown, kept | {name: spec[name] for name in _TIMERS if _is_zero(spec.get(name))}


def _to_new(spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Add what was kept, but to what was changed since: a timer that is zero no more stays."""
    unset = {name for name in _TIMERS if _is_zero(spec.get(name))}
    if spec.get("peerPort") == 0:
        unset.add("peerPort")
    given = {name: item for name, item in spec.items() if name not in unset}
    zeros = {name: kept[name] for name in unset & set(_TIMERS) if name in kept}
    return given | {name: kept[name] for name in _ONLY_NEW if name in kept} | zeros


def _kept(text: object) -> dict[str, Any]:
    """Read the annotation; one that somebody has spoilt holds nothing."""
    try:
        return _mapping(json.loads(text)) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}


def _with_annotations(meta: dict[str, Any], annotations: dict[str, Any]) -> dict[str, Any]:
    rest = {name: item for name, item in meta.items() if name != "annotations"}
    return {**rest, "annotations": annotations} if annotations else rest


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _is_zero(value: object) -> bool:
    return isinstance(value, str) and _ZERO.fullmatch(value) is not None
