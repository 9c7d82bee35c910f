"""Objects that MetalLB's tools read: who announces which Service, and whether all is valid.

`ServiceL2Status` and `ServiceBGPStatus`, one for each Service and node that announces it by ARP and
NDP, or by BGP; `ConfigurationState`, one for the controller and one for each speaker. MetalLB's
speakers write them; here it is the controller that leads, from what the ledger and the objects say,
so that nothing is left when a node dies. Only Services that IPAddressPools serve have them: who
uses Deckhouse's kinds has the VirtualIP.

A name follows from what the object is about, so a second writer could only write the same. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from metallb.api.meta import NATIVE_GROUP
from metallb.api.virtual_ips import NATIVE_POOL_KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from metallb.api.fields import JsonObject
    from metallb.api.meta import ObjectKey
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.objects import ObjectId

NODE_LABEL: Final = f"{NATIVE_GROUP}/node"
SERVICE_LABEL: Final = f"{NATIVE_GROUP}/service-name"
NAMESPACE_LABEL: Final = f"{NATIVE_GROUP}/service-namespace"
COMPONENT_LABEL: Final = f"{NATIVE_GROUP}/component-type"
STATE_NODE_LABEL: Final = f"{NATIVE_GROUP}/node-name"

VALID, INVALID = "Valid", "Invalid"

_LABEL_CHARACTERS: Final = 63
_SUMMARY_CHARACTERS: Final = 1024
_DIGEST_CHARACTERS: Final = 16

_CONTROLLER_KINDS: Final = frozenset(("IPAddressPool", "Community"))
"""Kinds that MetalLB's controller reads; its speakers read the others too, those of their node."""


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """An object that should be there: its name, labels and status; it has no spec."""

    name: str
    labels: tuple[tuple[str, str], ...]
    status: JsonObject


def is_told_otherwise(before: VirtualIP | None, after: VirtualIP | None) -> bool:
    """Tell whether who announces a VIP, and for whom, has come to be told in another way."""
    told = [vip for vip in (before, after) if vip and (vip.status.announcers or vip.status.bgp)]
    if before is None or after is None:
        return bool(told)
    return bool(told) and (before.status, before.spec) != (after.status, after.spec)


# -- ServiceL2Status -------------------------------------------------------------------------------


def layer2_statuses(vips: Iterable[VirtualIP]) -> dict[str, NativeStatus]:
    """Give the ServiceL2Status objects that should be there, by name."""
    interfaces: dict[tuple[ObjectKey, str], dict[str, None]] = {}
    for vip in vips:
        if not vip.spec.pool.startswith(f"{NATIVE_POOL_KIND}/"):
            continue
        for announcer in vip.status.announcers:
            named = vip.spec.layer2.interfaces_of(announcer.node)
            for service in vip.spec.services:
                found = interfaces.setdefault((service, announcer.node), {})
                found.update((item, None) for item in announcer.interfaces if item in named)
    made = (_layer2_status(*about, sorted(names)) for about, names in interfaces.items())
    return {item.name: item for item in made}


def _layer2_status(service: ObjectKey, node: str, interfaces: Sequence[str]) -> NativeStatus:
    status = _about(service, node)
    if interfaces:
        status["interfaces"] = [{"name": name} for name in interfaces]
    return NativeStatus(_name("l2", service, node), _labels(service, node), status)


# -- ServiceBGPStatus ------------------------------------------------------------------------------


def bgp_statuses(vips: Iterable[VirtualIP], speakers: Container[str]) -> dict[str, NativeStatus]:
    """Give the ServiceBGPStatus objects that should be there, by name.

    `speakers` are the nodes that have one: what a node that is gone last said does not count.
    """
    peers: dict[tuple[ObjectKey, str], set[str]] = {}
    for vip in vips:
        if not vip.spec.pool.startswith(f"{NATIVE_POOL_KIND}/"):
            continue
        for announcer in vip.status.bgp:
            if announcer.node in speakers:
                for service in vip.spec.services:
                    peers.setdefault((service, announcer.node), set()).update(announcer.peers)
    made = (_bgp_status(*about, sorted(names)) for about, names in peers.items())
    return {item.name: item for item in made}


def _bgp_status(service: ObjectKey, node: str, peers: Sequence[str]) -> NativeStatus:
    status = {**_about(service, node), "peers": list(peers)}
    return NativeStatus(_name("bgp", service, node), _labels(service, node), status)


def left_behind(vips: Iterable[VirtualIP], speakers: Container[str]) -> dict[str, list[str]]:
    """Give the nodes without a speaker that statuses still name, by the VirtualIP's name."""
    found: dict[str, list[str]] = {}
    for vip in vips:
        gone = [item.node for item in vip.status.bgp if item.node not in speakers]
        if gone:
            found[vip.name] = gone
    return found


# -- both ------------------------------------------------------------------------------------------


def _about(service: ObjectKey, node: str) -> dict[str, Any]:
    return {"node": node, "serviceName": service.name, "serviceNamespace": service.namespace}


def _name(prefix: str, service: ObjectKey, node: str) -> str:
    digest = hashlib.sha256(f"{service}#{node}".encode()).hexdigest()
    return f"{prefix}-{digest[:_DIGEST_CHARACTERS]}"


def _labels(service: ObjectKey, node: str) -> tuple[tuple[str, str], ...]:
    return _fitting(
        {NODE_LABEL: node, SERVICE_LABEL: service.name, NAMESPACE_LABEL: service.namespace}
    )


def _fitting(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Leave out the labels whose values no label can hold."""
    return tuple((key, text) for key, text in labels.items() if len(text) <= _LABEL_CHARACTERS)


# -- ConfigurationState ----------------------------------------------------------------------------


def configuration_states(
    faults: Mapping[ObjectId, Sequence[str]],
    speakers: Iterable[str],
    concerns: Callable[[ObjectId, str], bool],
) -> dict[str, NativeStatus]:
    """Give the ConfigurationState objects that should be there, by name.

    `faults` are sentences by kind and key of the object, each begins with the path of a field;
    `speakers` are the nodes that have one; `concerns` tells whether an object is for a node. Times
    of conditions are not set.
    """
    told = {
        about: [f"{about[0]} {about[1]}{text}" for text in texts] for about, texts in faults.items()
    }
    of_controller = [
        text for (kind, _), found in told.items() if kind in _CONTROLLER_KINDS for text in found
    ]
    controller = _state("controller", "poolReconcilerValid", of_controller, {})
    found = {controller.name: controller}
    for node in speakers:
        name = f"speaker-{node}"
        of_node = [text for about, texts in told.items() if concerns(about, node) for text in texts]
        found[name] = _state(name, "configReconcilerValid", of_node, {STATE_NODE_LABEL: node})
    return found


def _state(
    name: str, condition: str, messages: Sequence[str], labels: Mapping[str, str]
) -> NativeStatus:
    component = name.partition("-")[0]
    text = "\n".join(messages)[:_SUMMARY_CHARACTERS]
    status = {
        "result": INVALID if messages else VALID,
        "errorSummary": f"configuration error: {text}" if messages else "",
        "conditions": [
            {
                "type": condition,
                "status": "False" if messages else "True",
                "reason": "ConfigurationError" if messages else "Reconciled",
                "message": text,
            }
        ],
    }
    return NativeStatus(name, _fitting({COMPONENT_LABEL: component, **labels}), status)


# -- what is to be done ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """What makes the objects that are there those that should be."""

    missing: tuple[NativeStatus, ...]
    changed: tuple[NativeStatus, ...]
    surplus: tuple[str, ...]


def difference(wanted: Mapping[str, NativeStatus], present: Mapping[str, JsonObject]) -> Difference:
    """Compare; `present` are the statuses of the objects that are there, by name."""
    return Difference(
        missing=tuple(item for name, item in wanted.items() if name not in present),
        changed=tuple(
            item
            for name, item in wanted.items()
            if name in present and not _says_the_same(item.status, present[name])
        ),
        surplus=tuple(name for name in present if name not in wanted),
    )


def _says_the_same(wanted: JsonObject, present: JsonObject) -> bool:
    """Tell whether nothing but times differs; an empty text and none are one."""
    return _plain(wanted) == _plain(present)


def _plain(status: JsonObject) -> dict[str, Any]:
    found = {key: value for key, value in status.items() if value not in ("", [], None)}
    conditions = found.get("conditions")
    if isinstance(conditions, list):
        found["conditions"] = [
            {key: value for key, value in item.items() if value and key != "lastTransitionTime"}
            for item in conditions
            if isinstance(item, dict)
        ]
    return found
