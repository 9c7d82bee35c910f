"""The schema of a hook's configuration, version v1 (deckhouse-platform.md §2.4).

`REFUSED` names what the operator's schema takes and this runner does not do, with the reason.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

WATCH_EVENTS = ("Added", "Modified", "Deleted")

NOT_CALLED = "the operator takes it and never calls it for a module's hook (§7.7)"
REFUSED = {
    "kubernetesValidating": NOT_CALLED,
    "kubernetesMutating": NOT_CALLED,
    "kubernetesCustomResourceConversion": NOT_CALLED,
    "settings": "this runner does not limit the rate of runs",
    "beforeAll": "that is for global hooks",
    "afterAll": "that is for global hooks",
}
MOMENTS = ("onStartup", "beforeHelm", "afterHelm", "beforeDeleteHelm", "afterDeleteHelm")

_NAMES: Document = {
    "type": "object",
    "additionalProperties": False,
    "required": ["matchNames"],
    "properties": {"matchNames": {"type": "array", "items": {"type": "string"}}},
}
_SELECTOR: Document = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["key", "operator"],
                "properties": {
                    "key": {"type": "string"},
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_FIELDS: Document = {
    "type": "object",
    "additionalProperties": False,
    "required": ["matchExpressions"],
    "properties": {
        "matchExpressions": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["field", "operator", "value"],
                "properties": {
                    "field": {"type": "string"},
                    "operator": {"enum": ["=", "==", "Equals", "!=", "NotEquals"]},
                    "value": {"type": "string"},
                },
            },
        }
    },
}
_COMMON: Document = {
    "name": {"type": "string"},
    "group": {"type": "string"},
    "queue": {"type": "string"},
    "allowFailure": {"type": "boolean"},
    "includeSnapshotsFrom": {"type": "array", "minItems": 1, "items": {"type": "string"}},
}
_EVENTS: Document = {"type": "array", "items": {"enum": list(WATCH_EVENTS)}}
SCHEMA: Document = {
    "type": "object",
    "additionalProperties": False,
    "required": ["configVersion"],
    "minProperties": 2,
    "properties": {
        "configVersion": {"const": "v1"},
        **{name: {"type": "integer"} for name in MOMENTS},
        **{name: {} for name in REFUSED},
        "schedule": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["crontab"],
                "properties": {**_COMMON, "crontab": {"type": "string"}},
            },
        },
        "kubernetes": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["kind"],
                "properties": {
                    **_COMMON,
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "executeHookOnEvent": _EVENTS,
                    "watchEvent": _EVENTS,
                    "executeHookOnSynchronization": {"type": "boolean"},
                    "waitForSynchronization": {"type": "boolean"},
                    "keepFullObjectsInMemory": {"type": "boolean"},
                    "resynchronizationPeriod": {"type": "string"},
                    "jqFilter": {"type": "string"},
                    "nameSelector": _NAMES,
                    "labelSelector": _SELECTOR,
                    "fieldSelector": _FIELDS,
                    "namespace": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"nameSelector": _NAMES, "labelSelector": _SELECTOR},
                    },
                },
            },
        },
    },
}
