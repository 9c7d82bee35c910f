"""What the agent's parts on one node share."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metallb_lab.objects import EVENTS
from metallb_lab.pods.backoff import CrashBackoff

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient, JsonObject
    from metallb_lab.instance import Instance
    from metallb_lab.pods.images import ImageStore
    from metallb_lab.topology import Host, Topology


ANSWER_SECONDS = 6.0
"""How long an agent waits for an answer: its node may be cut off, or have been until now."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How the agents of a lab work; times in seconds."""

    api_host: str = "10.96.0.1"
    """What pods are told: address and port of the Service `kubernetes`."""
    api_port: int = 443
    refresh_seconds: float = 5.0
    """How often files of ConfigMaps and Secrets are compared; a kubelet takes up to a minute."""
    retry_seconds: float = 2.0
    lease_seconds: float = 2.0
    status_seconds: float = 5.0
    first_crash_seconds: float = 10.0

    def crash_backoff(self) -> CrashBackoff:
        """Make the back-off of one container."""
        return CrashBackoff(self.first_crash_seconds)


@dataclass(slots=True)
class Context:
    """One node: its host, its line to the API server, its images."""

    instance: Instance
    topology: Topology
    host: Host
    client: ApiClient
    images: ImageStore
    settings: AgentSettings = field(default_factory=AgentSettings)

    async def event(self, pod: JsonObject, reason: str, message: str, kind: str) -> None:
        """Tell of a pod by an Event."""
        meta, now = pod["metadata"], timestamp()
        await self.client.create(
            EVENTS,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{meta['name'][:200]}.{secrets.token_hex(6)}"},
                "type": kind,
                "reason": reason,
                "message": message[:1000],
                "involvedObject": {
                    "apiVersion": "v1", "kind": "Pod", "namespace": meta["namespace"],
                    "name": meta["name"], "uid": meta["uid"],
                },
                "source": {"component": "kubelet", "host": self.host.name},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
            meta["namespace"],
        )  # fmt: skip


def timestamp() -> str:
    """Give the time as objects have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
