"""Objects that the module will make of a ModuleConfig of version 1 or 2 before it starts.

The hooks that make them are asked (`metallb.domain.layer2_migration`, `bgp_migration`), and what
they want is put beside the objects that are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields
from metallb.domain.bgp_migration import bgp_migration
from metallb.domain.decisions import CreateIfNotExists, MergePatch, Situation
from metallb.domain.findings import rfc3339
from metallb.domain.layer2_migration import layer2_migration
from metallb_controller.migrate.cluster import CONFIGS, Objects, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from metallb.api.fields import JsonObject
    from metallb.domain.decisions import Operation

KIND = "ModuleConfig"
_NAME = "metallb"
_GENERATED = ("auto-generated-by", "d8-migration-hook")


def module_settings(objects: Objects) -> Fields:
    """Give `spec` of the module's ModuleConfig; empty when there is none."""
    for value in objects.get(KIND, ()):
        fields = Fields(value)
        if fields.child("metadata").text("name") == _NAME:
            return fields.child("spec")
    return Fields({})


def with_old_settings(objects: Objects, now: datetime) -> Objects:
    """Give the objects as they will be once the settings have been made into objects."""
    situation = _situation(objects, now)
    operations = [
        *layer2_migration(situation).operations, *bgp_migration(situation).operations,
    ]  # fmt: skip
    found: dict[str, list[JsonObject]] = {kind: list(values) for kind, values in objects.items()}
    for kind, made in _made(operations, now):
        found.setdefault(kind, []).append(made)
    bindings = dict(_bindings(operations))
    found["Service"] = [_bound(value, bindings) for value in found.get("Service", [])]
    return dict(found)


def _situation(objects: Objects, now: datetime) -> Situation:
    spec = module_settings(objects)
    config = {"version": spec.value.get("version"), "settings": spec.value.get("settings")}
    snapshots: dict[str, list[Any]] = {
        "module-config": [config],
        "services": list(objects.get("Service", ())),
        "virtual-ips": _names(objects.get("VirtualIP", ())),
        "pools": _names(objects.get("MetalLoadBalancerPool", ())),
        "configurations": _names(objects.get("MetalLoadBalancerConfiguration", ())),
        "classes": [
            {**item, "spec": value.get("spec"), "generated": _GENERATED in labels_of(value).items()}
            for value, item in _named(objects.get("MetalLoadBalancerClass", ()))
        ],
        "native-pools": [
            {
                **item,
                "addresses": Fields(value).child("spec").value.get("addresses"),
                "generated": labels_of(value).get("heritage") == "deckhouse",
            }
            for value, item in _named(objects.get("IPAddressPool", ()))
        ],
        "native-advertisements": [
            {**item, **Fields(value).child("spec").value}
            for value, item in _named(objects.get("L2Advertisement", ()))
            if labels_of(value).get("heritage") != "deckhouse"
        ],
    }
    return Situation(now, snapshots)


def _named(values: Iterable[JsonObject]) -> list[tuple[JsonObject, dict[str, str]]]:
    return [
        (value, {"name": Fields(value).child("metadata").text("name")}) for value in values
    ]  # fmt: skip


def _names(values: Iterable[JsonObject]) -> list[dict[str, str]]:
    return [item for _, item in _named(values)]


def _made(operations: Iterable[Operation], now: datetime) -> Iterable[tuple[str, JsonObject]]:
    for item in operations:
        if isinstance(item, CreateIfNotExists) and item.object["kind"] in CONFIGS:
            meta = {**item.object["metadata"], "creationTimestamp": rfc3339(now), "generation": 1}
            yield item.object["kind"], {**item.object, "metadata": meta}


def _bindings(operations: Iterable[Operation]) -> Iterable[tuple[tuple[str, str], JsonObject]]:
    for item in operations:
        if isinstance(item, MergePatch) and item.target.kind == "Service":
            yield (item.target.namespace, item.target.name), item.patch["status"]


def _bound(value: JsonObject, bindings: dict[tuple[str, str], JsonObject]) -> JsonObject:
    meta = Fields(value).child("metadata")
    patch = bindings.get((meta.text("namespace"), meta.text("name")))
    return value if patch is None else {**value, "status": {**value["status"], **patch}}
