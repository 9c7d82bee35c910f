"""What a hook says about itself when it is asked with `--config` (deckhouse-platform.md §2.4).

The schema of the operator refuses unknown keys and wants a binding beside `configVersion`. What
the schema knows and this runner does not do is refused too, with the reason: a test that passes
because a binding was ignored would be a lie. Admission and conversion bindings are such a case on
the platform itself, where a module's are accepted and never called (§2.4, §7.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from metallb_lab.operator.errors import HookError
from metallb_lab.operator.hook_schema import MOMENTS, REFUSED, SCHEMA, WATCH_EVENTS

Document = dict[str, Any]

MAIN_QUEUE = "main"


@dataclass(frozen=True, slots=True)
class ScheduleBinding:
    """Times at which the hook runs."""

    name: str
    crontab: str
    queue: str
    group: str
    include: tuple[str, ...]
    allow_failure: bool


@dataclass(frozen=True, slots=True)
class KubernetesBinding:
    """Objects that the hook watches; selectors are in the words of the API."""

    name: str
    api_version: str
    kind: str
    events: frozenset[str]
    on_synchronization: bool
    waits: bool
    keeps_objects: bool
    jq: str
    names: tuple[str, ...]
    namespaces: tuple[str, ...]
    label_selector: str
    field_selector: str
    queue: str
    group: str
    include: tuple[str, ...]
    allow_failure: bool


@dataclass(frozen=True, slots=True)
class HookConfig:
    """Everything that a hook is bound to; `moments` are orders by the moment's name."""

    moments: dict[str, int]
    schedules: tuple[ScheduleBinding, ...]
    kubernetes: tuple[KubernetesBinding, ...]

    def snapshots_for(self, group: str, include: tuple[str, ...]) -> tuple[str, ...]:
        """Name the snapshots that a binding's runs see (§2.5)."""
        if group:
            return tuple(item.name for item in self.kubernetes if item.group == group)
        return include


def read_config(text: str) -> HookConfig:
    """Read what a hook printed, YAML or JSON; raises HookError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HookError(f"not YAML: {error}") from error
    errors = sorted(Draft202012Validator(SCHEMA).iter_errors(document), key=str)
    if errors:
        first = errors[0]
        raise HookError(f"{'.'.join(map(str, first.absolute_path)) or 'config'}: {first.message}")
    for name, reason in REFUSED.items():
        if name in document:
            raise HookError(f"{name}: {reason}")
    config = HookConfig(
        moments={name: document[name] for name in MOMENTS if name in document},
        schedules=tuple(map(_schedule, document.get("schedule", ()))),
        kubernetes=tuple(map(_kubernetes, document.get("kubernetes", ()))),
    )
    _check_names(config)
    return config


def _check_names(config: HookConfig) -> None:
    names = [item.name for item in config.kubernetes]
    if len(set(names)) != len(names):
        raise HookError("two kubernetes bindings have one name")
    included = [name for item in config.kubernetes for name in item.include]
    included += [name for item in config.schedules for name in item.include]
    if unknown := set(included) - set(names):
        raise HookError(f"includeSnapshotsFrom: no binding {sorted(unknown)[0]}")


def _schedule(item: Document) -> ScheduleBinding:
    if len(item["crontab"].split()) != 5:
        raise HookError(f"crontab {item['crontab']!r}: this runner takes five fields")
    return ScheduleBinding(
        name=item.get("name", "schedule"),
        crontab=item["crontab"],
        queue=item.get("queue", MAIN_QUEUE),
        group=item.get("group", ""),
        include=tuple(item.get("includeSnapshotsFrom", ())),
        allow_failure=item.get("allowFailure", False),
    )


def _kubernetes(item: Document) -> KubernetesBinding:
    queue = item.get("queue", MAIN_QUEUE)
    waits = item.get("waitForSynchronization", True)
    if not waits and "queue" not in item:
        raise HookError("waitForSynchronization: false is for bindings with a queue")
    for name in ("watchEvent", "resynchronizationPeriod"):
        if name in item:
            raise HookError(f"{name}: this runner does not do it")
    namespace = item.get("namespace", {})
    if "labelSelector" in namespace:
        raise HookError("namespace.labelSelector: this runner does not follow namespaces' labels")
    return KubernetesBinding(
        name=item.get("name", "kubernetes"),
        api_version=item.get("apiVersion", ""),
        kind=item["kind"],
        events=frozenset(item.get("executeHookOnEvent", WATCH_EVENTS)),
        on_synchronization=item.get("executeHookOnSynchronization", True),
        waits=waits,
        keeps_objects=item.get("keepFullObjectsInMemory", True),
        jq=item.get("jqFilter", ""),
        names=tuple(item.get("nameSelector", {}).get("matchNames", ())),
        namespaces=tuple(namespace.get("nameSelector", {}).get("matchNames", ())),
        label_selector=label_selector(item.get("labelSelector", {})),
        field_selector=field_selector(item.get("fieldSelector", {})),
        queue=queue,
        group=item.get("group", ""),
        include=tuple(item.get("includeSnapshotsFrom", ())),
        allow_failure=item.get("allowFailure", False),
    )


def label_selector(selector: Document) -> str:
    """A LabelSelector as the API's query has it."""
    words = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    for item in selector.get("matchExpressions", ()):
        values = ",".join(item.get("values", ()))
        words.append(
            {
                "In": f"{item['key']} in ({values})",
                "NotIn": f"{item['key']} notin ({values})",
                "Exists": item["key"],
                "DoesNotExist": f"!{item['key']}",
            }[item["operator"]]
        )
    return ",".join(words)


def field_selector(selector: Document) -> str:
    """A field selector as the API's query has it."""
    words = []
    for item in selector.get("matchExpressions", ()):
        sign = "!=" if item["operator"] in ("!=", "NotEquals") else "="
        words.append(f"{item['field']}{sign}{item['value']}")
    return ",".join(words)
