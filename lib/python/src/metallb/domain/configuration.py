"""What is wrong in the module's settings, beyond what their schema can say.

The platform refuses settings that break the schema. What is left for this: settings that came in
by another way (asked again with jsonschema), settings of old versions, and contradictions between
settings and the cluster: a class of BGP Services that is the name of an L2 class, a selector that
no node satisfies, a taint on a node of a class that keeps the speaker away from it.

Settings that do nothing any more, and a version that keeps migrations going, are metrics of
their own, under Deckhouse's names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from metallb.api.fields import Fields, shown
from metallb.api.selectors import NodeSelector
from metallb.domain.decisions import Decision, Metric
from metallb.domain.findings import Finding, events_of, metrics_of
from metallb.domain.hook_metrics import HookMetric, MetricGroup
from metallb.domain.legacy_settings import CURRENT_VERSION, module_config
from metallb.domain.taints import untolerated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb.api.fields import JsonObject
    from metallb.domain.decisions import Situation

ROOT = ".spec.settings"
OBSOLETE = ("addressPools", "bgpPeers", "bgpCommunities")
SECONDS_MIN_WITHOUT_REALTIME = 0.15

Fault = tuple[str, str, str]
"""Path, reason, message."""


def configuration(situation: Situation, schema: JsonObject) -> Decision:
    """Judge the settings; `schema` is the one of `openapi/config-values.yaml`.

    Snapshots: `module-config` with `uid`, `version` and `settings`; `classes` with `name` and
    `nodeSelector`; `nodes` with `name`, `labels` and `taints`.
    """
    found = next(iter(situation.snapshot("module-config")), None)
    if found is None:
        return Decision(metrics=_metrics([], Fields({}), CURRENT_VERSION))
    settings = found.child("settings")
    faults = [*schema_faults(schema, settings.value), *_contradictions(settings, situation)]
    of = module_config(found)
    findings = [Finding(of, path, reason, message) for path, reason, message in faults]
    version = found.integer("version", CURRENT_VERSION, 1, 2**31 - 1)
    return Decision(
        operations=[*events_of(findings, situation.now)],
        metrics=_metrics(findings, settings, version),
    )


# -- the schema ------------------------------------------------------------------------------------


def schema_faults(schema: JsonObject, settings: JsonObject) -> Iterator[Fault]:
    """Say where settings break the schema, as the platform reads it."""
    for error in Draft202012Validator(closed(schema)).iter_errors(dict(settings)):
        path = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
        )
        rule = f"{error.validator} {shown(error.validator_value)}"
        yield f"{ROOT}{path}", "InvalidSetting", f"{shown(error.instance)} breaks the rule {rule}"


def closed(schema: JsonObject) -> dict[str, Any]:
    """Forbid unknown fields in every object that does not say otherwise, as the platform does."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {name: closed(child) for name, child in found["properties"].items()}
        found.setdefault("additionalProperties", False)
    if isinstance(found.get("items"), dict):
        found["items"] = closed(found["items"])
    return found


# -- contradictions --------------------------------------------------------------------------------


def _contradictions(settings: Fields, situation: Situation) -> Iterator[Fault]:
    yield from _class_taken(settings, situation)
    yield from _too_few_nodes(settings, situation)
    yield from _too_short(settings)
    yield from _bfd_too_slow(settings)
    yield from _taints(settings, situation)


def _class_taken(settings: Fields, situation: Situation) -> Iterator[Fault]:
    name = settings.text("loadBalancerClass")
    if name and name in {item.text("name") for item in situation.snapshot("classes")}:
        yield (
            f"{ROOT}.loadBalancerClass",
            "LoadBalancerClassTaken",
            f"{name!r} is a MetalLoadBalancerClass too: its Services would be served by both modes",
        )


def _too_few_nodes(settings: Fields, situation: Situation) -> Iterator[Fault]:
    labels = settings.mapping("nodeSelector")
    nodes = situation.snapshot("nodes")
    if not labels or not nodes:
        return
    selector = NodeSelector.of(labels)
    count = sum(selector.matches(node.mapping("labels")) for node in nodes)
    wanted = 2 if settings.boolean("highAvailability") else 1
    if count < wanted:
        yield (
            f"{ROOT}.nodeSelector",
            "TooFewNodes",
            f"{count} nodes have the labels {selector}; the controller needs {wanted}",
        )


def _too_short(settings: Fields) -> Iterator[Fault]:
    l2 = settings.child("l2")
    interval = l2.integer("livenessIntervalMilliseconds", 50, 1, 60_000)
    seconds = interval * l2.integer("livenessMultiplier", 3, 1, 1000) / 1000
    priority = settings.child("speaker").integer("realtimePriority", 10, 0, 99)
    if priority == 0 and seconds < SECONDS_MIN_WITHOUT_REALTIME:
        yield (
            f"{ROOT}.speaker.realtimePriority",
            "DetectionNeedsRealtime",
            f"a node without real-time priority can be silent for {seconds:g} s and yet live",
        )


def _bfd_too_slow(settings: Fields) -> Iterator[Fault]:
    bgp = settings.child("bgp")
    hold = bgp.integer("holdTimeSeconds", 90, 0, 65_535)
    bfd = bgp.child("bfd")
    interval = bfd.integer("receiveIntervalMilliseconds", 300, 1, 60_000)
    seconds = interval * bfd.integer("detectMultiplier", 3, 1, 255) / 1000
    if hold and seconds >= hold:
        yield (
            f"{ROOT}.bgp.bfd",
            "BFDSlowerThanHoldTime",
            f"BFD finds a dead peer after {seconds:g} s, the hold time does after {hold} s",
        )


def _taints(settings: Fields, situation: Situation) -> Iterator[Fault]:
    """Find taints that keep the speaker away from a node that a class selects."""
    tolerations = settings.child("speaker").children("tolerations")
    custom = Fields(situation.shared).child("modules").child("placement")
    classes = [
        (item.text("name"), NodeSelector.of(item.mapping("nodeSelector")))
        for item in situation.snapshot("classes")
    ]
    for node in situation.snapshot("nodes"):
        labels = node.mapping("labels")
        selected = [name for name, selector in classes if selector.matches(labels)]
        taints = untolerated(
            node.children("taints"), tolerations, custom.texts("customTolerationKeys")
        )
        if selected and taints:
            yield (
                f"{ROOT}.speaker.tolerations",
                "TaintNotTolerated",
                f"no speaker runs on node {node.text('name')} of class {selected[0]}: {taints[0]}",
            )


# -- metrics ---------------------------------------------------------------------------------------


def _metrics(
    findings: Iterable[Finding], settings: Fields, version: int
) -> dict[str, list[Metric]]:
    said = [name for name in OBSOLETE if settings.value.get(name)]
    if settings.child("speaker").mapping("nodeSelector"):
        said.append("speaker.nodeSelector")
    is_old = version < CURRENT_VERSION
    return {
        MetricGroup.CONFIGURATION: metrics_of(HookMetric.PROBLEM, findings),
        MetricGroup.VERSION_REQUIRED: [Metric(HookMetric.VERSION_REQUIRED, {})] if is_old else [],
        MetricGroup.OBSOLETE_SETTINGS: [
            Metric(HookMetric.OBSOLETE_SETTING, {"setting": name}) for name in said if not is_old
        ],
        MetricGroup.OBSOLETE_POOLS: [
            Metric(HookMetric.OBSOLETE_POOL, {"name": name})
            for name in _layer2_pools(settings)
            if version > 1
        ],
    }


def _layer2_pools(settings: Fields) -> list[str]:
    pools = settings.children("addressPools")
    return sorted({pool.text("name") for pool in pools if pool.text("protocol") == "layer2"})
