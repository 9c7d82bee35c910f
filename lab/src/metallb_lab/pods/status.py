"""The status of a pod, made of its containers' states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb_lab.pods.model import PodSpec

Document = dict[str, Any]
OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


@dataclass(slots=True)
class ContainerStatus:
    """What is said of a container; `state` is as the API has it."""

    name: str
    image: str
    state: Document = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Document = field(default_factory=dict)
    container_id: str = ""
    restarts: int = 0
    is_ready: bool = False
    is_started: bool = False

    def to_json(self) -> Document:
        """Give it as the API has it."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.container_id,
            "restartCount": self.restarts,
            "ready": self.is_ready,
            "started": self.is_started,
            "state": self.state,
            "lastState": self.last,
        }

    @property
    def kind(self) -> str:
        """`waiting`, `running` or `terminated`."""
        return next(iter(self.state))


def waiting(reason: str, message: str = "") -> Document:
    """Make the state of a container that does not run yet, or not again."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(at: str) -> Document:
    """Make the state of a container that runs."""
    return {"running": {"startedAt": at}}


def terminated(code: int, started: str, ended: str, container_id: str, message: str) -> Document:
    """Make the state of a container that has ended."""
    found = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": started,
        "finishedAt": ended,
        "containerID": container_id,
    }
    return {"terminated": found | ({"message": message} if message else {})}


def phase_of(spec: PodSpec, statuses: Sequence[ContainerStatus], *, is_over: bool) -> str:
    """Give the phase; `is_over`: no container will run again."""
    codes = [_code(item) for item in statuses]
    if is_over or all(not _runs_again(spec, code) for code in codes):
        return "Failed" if any(code != 0 for code in codes) else "Succeeded"
    has_run = all(item.kind != "waiting" or item.last for item in statuses)
    return "Running" if has_run else "Pending"


def _code(status: ContainerStatus) -> int | None:
    found = status.state.get("terminated") or {}
    code = found.get("exitCode")
    return None if code is None else int(code)


def _runs_again(spec: PodSpec, code: int | None) -> bool:
    if code is None:
        return True
    return spec.restart_policy == "Always" or (spec.restart_policy == "OnFailure" and code != 0)


def conditions_of(
    before: Iterable[Mapping[str, Any]],
    statuses: Sequence[ContainerStatus],
    now: str,
    *,
    has_sandbox: bool,
) -> list[Document]:
    """Give the conditions: ours anew, others' as they were; a time changes with its status."""
    known = {item["type"]: dict(item) for item in before}
    unready = [item.name for item in statuses if not item.is_ready]
    values = {
        "PodReadyToStartContainers": has_sandbox,
        "Initialized": True,
        "ContainersReady": not unready,
        "Ready": not unready,
    }
    found = [item for name, item in known.items() if name not in OWN_CONDITIONS]
    for name, holds in values.items():
        status = "True" if holds else "False"
        old = known.get(name, {})
        item = {"type": name, "status": status, "lastProbeTime": None}
        same = old.get("status") == status
        item["lastTransitionTime"] = old["lastTransitionTime"] if same else now
        if not holds and name in ("ContainersReady", "Ready"):
            item["reason"] = "ContainersNotReady"
            item["message"] = f"containers with unready status: [{' '.join(unready)}]"
        found.append(item)
    return found


def is_ready(status: Mapping[str, Any]) -> bool:
    """Tell whether a pod's status says that it is ready."""
    conditions = status.get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def refused(reason: str, message: str, now: str) -> Document:
    """Make the status of a pod that the agent does not run."""
    return {"phase": "Failed", "reason": reason, "message": message, "startTime": now}
