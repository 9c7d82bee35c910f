"""Faults that hooks find in what users wrote, and the two ways in which they are told.

A hook never fails for a user's mistake, because that would stop every module of the platform. The
mistake becomes a series of a metric, on which an alert stands, and an Event on the object that is
wrong. The Event's name is made of what it says: saying it again changes nothing, and when the
Event has expired it is said anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from metallb.domain.decisions import CreateIfNotExists, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from metallb.api.meta import Reference

EVENTS_OF_CLUSTER_OBJECTS = "default"
"""Namespace of Events about objects that have none, as Kubernetes itself does."""

SOURCE = "metallb-hooks"
_MESSAGE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: of which object, where in it, the reason in one word, the message for people."""

    of: Reference
    path: str
    reason: str
    message: str

    def labels(self) -> dict[str, str]:
        """Give the labels of the series."""
        return {
            "kind": self.of.kind,
            "namespace": self.of.key.namespace,
            "name": self.of.key.name,
            "path": self.path,
            "reason": self.reason,
        }


def metrics_of(name: str, findings: Iterable[Finding]) -> list[Metric]:
    """Give one series for each finding, sorted, each once."""
    series = {tuple(sorted(finding.labels().items())) for finding in findings}
    return [Metric(name, dict(labels)) for labels in sorted(series)]


def events_of(findings: Iterable[Finding], now: datetime) -> list[CreateIfNotExists]:
    """Give one Event for each finding, sorted by name."""
    events = {_name_of(finding): _event(finding, now) for finding in findings}
    return [CreateIfNotExists(events[name]) for name in sorted(events)]


def _name_of(finding: Finding) -> str:
    said = "\0".join((finding.of.kind, finding.of.uid, finding.reason, finding.message))
    return f"{finding.of.key.name}.{sha256(said.encode()).hexdigest()[:16]}"


def _event(finding: Finding, now: datetime) -> dict[str, Any]:
    at = rfc3339(now)
    where = f"{finding.path}: " if finding.path else ""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": _name_of(finding),
            "namespace": finding.of.key.namespace or EVENTS_OF_CLUSTER_OBJECTS,
        },
        "involvedObject": finding.of.to_object(),
        "type": "Warning",
        "reason": finding.reason,
        "message": (where + finding.message)[:_MESSAGE_CHARACTERS],
        "source": {"component": SOURCE},
        "reportingComponent": SOURCE,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def rfc3339(at: datetime) -> str:
    """Write a time as objects have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
