"""What a pod's status says, from its containers' states."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pods.bodies import IMAGE, pod
from metallb_lab.pods import status
from metallb_lab.pods.reading import read_pod
from metallb_lab.pods.status import ContainerStatus, conditions_of, is_ready, phase_of

NOW, BEFORE = "2026-11-27T01:00:00Z", "2026-11-27T00:00:00Z"
RUNNING = status.running(NOW)
WELL = status.terminated(0, NOW, NOW, "runc://x", "")
BADLY = status.terminated(1, NOW, NOW, "runc://x", "why")
WAITING = status.waiting("ContainerCreating")


def container(state: dict[str, Any], *, ready: bool = False, ran: bool = False) -> ContainerStatus:
    last = BADLY if ran else {}
    return ContainerStatus("c", IMAGE, state, last, is_ready=ready)


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", [WAITING], "Pending"),
        ("Always", [RUNNING, WAITING], "Pending"),
        ("Always", [RUNNING], "Running"),
        ("Always", [BADLY], "Running"),
        ("OnFailure", [BADLY], "Running"),
        ("OnFailure", [WELL], "Succeeded"),
        ("OnFailure", [WELL, RUNNING], "Running"),
        ("Never", [BADLY, WELL], "Failed"),
        ("Never", [WELL], "Succeeded"),
    ],
)
def test_phase(policy: str, states: list[dict[str, Any]], expected: str) -> None:
    spec = read_pod(pod({"restartPolicy": policy}))
    assert phase_of(spec, [container(item) for item in states], is_over=False) == expected


def test_one_that_waits_for_its_next_start_is_running() -> None:
    spec = read_pod(pod())
    crashed = container(status.waiting("CrashLoopBackOff"), ran=True)
    assert phase_of(spec, [crashed], is_over=False) == "Running"


@pytest.mark.parametrize(("state", "expected"), [(WELL, "Succeeded"), (BADLY, "Failed")])
def test_the_phase_of_one_that_is_over(state: dict[str, Any], expected: str) -> None:
    assert phase_of(read_pod(pod()), [container(state)], is_over=True) == expected


def test_conditions() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": BEFORE}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": BEFORE}
    both = [container(RUNNING, ready=True), container(RUNNING)]
    found = {
        item["type"]: item
        for item in conditions_of([scheduled, ready], both, NOW, has_sandbox=True)
    }
    assert found["PodScheduled"] == scheduled
    assert (found["Ready"]["status"], found["Ready"]["lastTransitionTime"]) == ("False", NOW)
    assert found["Ready"]["message"] == "containers with unready status: [c]"
    assert found["PodReadyToStartContainers"]["status"] == "True"
    again = conditions_of(found.values(), both, "later", has_sandbox=True)
    assert {item["lastTransitionTime"] for item in again} == {NOW, BEFORE}


def test_readiness_as_others_see_it() -> None:
    well = conditions_of([], [container(RUNNING, ready=True)], NOW, has_sandbox=True)
    assert is_ready({"conditions": well})
    assert not is_ready({})


def test_states_as_the_api_has_them() -> None:
    shown = container(BADLY).to_json()
    assert shown["state"]["terminated"]["exitCode"] == 1
    assert shown["state"]["terminated"]["reason"] == "Error"
    assert shown["state"]["terminated"]["message"] == "why"
    assert "message" not in WELL["terminated"]
    assert status.refused("Unsupported", "spec.x", NOW)["phase"] == "Failed"
