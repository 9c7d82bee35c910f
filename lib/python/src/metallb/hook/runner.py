"""Runs a hook once: files of the module operator in, one decision, files out.

Stands on the parts of the `deckhouse` SDK and goes around what is wrong in them, here and nowhere
else:

* it calls a hook once for each binding context, always with the values as they were at first, so
  that later contexts undo what earlier ones did: here all contexts of a run make one situation;
* it writes patches of list items by index, and does not escape keys: here a value is written
  whole, by an escaped path (RFC 6901), and only when it differs;
* it lets labels of metrics pass that the operator refuses: here they are texts by construction;
* a run without the snapshots that a decision stands on looks like an empty cluster: here it fails.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deckhouse import module
from deckhouse.conversions import ConversionsCollector
from deckhouse.hook import Output
from deckhouse.kubernetes import KubeOperationCollector
from deckhouse.metrics import MetricsCollector
from deckhouse.validations import ValidationsCollector
from deckhouse.values import ValuesPatchesCollector

from metallb.domain.decisions import Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metallb.domain.decisions import Decision
    from metallb.hook.config import HookConfig

MODULE = "metallb"
"""Key of the module's values."""


class BlindRunError(Exception):
    """The operator gave a hook no snapshot of objects that it decides about."""


def run(config: HookConfig, decide: Callable[[Situation], Decision]) -> None:
    """Print the configuration or do a run, as the operator asks."""
    if sys.argv[1:] == ["--config"]:
        print(config.to_json())
        return
    values = module.get_values()
    situation = read_situation(
        config, module.get_binding_context(), values, module.get_config(), datetime.now(UTC)
    )
    output = write_decision(decide(situation), values)
    output.flush()
    report(output)


def read_situation(
    config: HookConfig,
    contexts: Iterable[Mapping[str, Any]],
    values: Mapping[str, Any],
    settings: Mapping[str, Any],
    now: datetime,
) -> Situation:
    """Make one situation of all contexts; raises BlindRunError."""
    snapshots: dict[str, list[Any]] = {}
    for context in contexts:
        for name, items in (context.get("snapshots") or {}).items():
            snapshots[name] = [item.get("filterResult") for item in items or []]
    if missing := config.needs() - snapshots.keys():
        raise BlindRunError(f"no snapshots of {', '.join(sorted(missing))}")
    return Situation(
        now=now,
        snapshots=snapshots,
        values=values.get(MODULE) or {},
        settings=settings.get(MODULE) or {},
        shared=values.get("global") or {},
    )


def write_decision(decision: Decision, values: Mapping[str, Any]) -> Output:
    """Put a decision into the SDK's collectors."""
    output = Output(
        MetricsCollector(),
        KubeOperationCollector(),
        ValuesPatchesCollector({}),
        ConversionsCollector(),
        ValidationsCollector(),
    )
    for operation in decision.operations:
        output.kube_operations.collect(operation.to_object())
    for group, series in decision.metrics.items():
        output.metrics.expire(str(group))
        for metric in series:
            output.metrics.collect(
                {
                    "name": str(metric.name),
                    "action": "set",
                    "value": metric.value,
                    "labels": {name: str(value) for name, value in metric.labels.items()},
                    "group": str(group),
                }
            )
    for path, value in decision.values.items():
        parts = [MODULE, *path.split(".")]
        if value_at(values, parts) != value:
            patch = {"op": "add", "path": json_pointer(parts), "value": value}
            output.values_patches.collect(patch)
    return output


def value_at(values: Any, parts: Iterable[str]) -> Any:
    """Give the value at a path; None when there is none."""
    for part in parts:
        if not isinstance(values, dict):
            return None
        values = values.get(part)
    return values


def json_pointer(parts: Iterable[str]) -> str:
    """Write a path as RFC 6901 has it."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def report(output: Output) -> None:
    """Log what was decided, if anything, as a line that the operator understands."""
    operations = [_named(item) for item in output.kube_operations.data]
    values = [item["path"] for item in output.values_patches.data]
    if operations or values:
        line = {"level": "info", "msg": "decided", "operations": operations, "values": values}
        print(json.dumps(line))


def _named(operation: Mapping[str, Any]) -> str:
    """Name an operation and its object; what is in the object may be secret."""
    found = operation.get("object") or operation
    meta = found.get("metadata") or found
    names = (operation["operation"], found.get("kind"), meta.get("namespace"), meta.get("name"))
    return " ".join(str(name) for name in names if name)
