"""Thresholds of probes, back-off, images, quantities, a node's conditions, what is rolled out."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.pods.bodies import DIGEST, IMAGE, pod
from metallb_lab.instance import mounts_beneath
from metallb_lab.pods.backoff import STABLE_SECONDS, CrashBackoff
from metallb_lab.pods.cluster import describe_pod, rolled_out
from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.images import ImageStore, user_of
from metallb_lab.pods.model import ProbeSpec
from metallb_lab.pods.node import node_conditions
from metallb_lab.pods.probing import Verdict, port_of
from metallb_lab.pods.quantities import whole_bytes
from metallb_lab.pods.reading import read_pod
from metallb_lab.pods.sources import content_of, references

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class AnImage:
    digest: str = DIGEST
    rootfs: Path = Path("/r")
    entrypoint: tuple[str, ...] = ("/x",)
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


@pytest.mark.parametrize(
    ("start", "results", "changes"),
    [
        (None, "+", "+"),
        (False, "++", "+."),
        (True, "---", "..-"),
        (True, "--+--", "....."),
        (True, "---+", "..-+"),
        (None, "---", "..-"),
    ],
)
def test_a_verdict_changes_at_its_thresholds(
    start: bool | None, results: str, changes: str
) -> None:
    verdict = Verdict(ProbeSpec(failure_threshold=3), start)
    for result, change in zip(results, changes, strict=True):
        assert verdict.take(result == "+", "why") == (change != ".")
        if change != ".":
            assert (verdict.holds, verdict.reason) == (change == "+", "why")


def test_the_port_of_a_probe_may_be_named() -> None:
    read = read_pod(pod(ports=[{"name": "web", "containerPort": 80}])).containers[0]
    assert port_of(ProbeSpec(port=81), read) == 81
    assert port_of(ProbeSpec(port="web"), read) == 80
    with pytest.raises(ValueError, match="no port 'other'"):
        port_of(ProbeSpec(port="other"), read)


def test_a_container_that_crashes_waits_longer_each_time() -> None:
    backoff = CrashBackoff()
    assert [backoff.delay(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert [backoff.delay(STABLE_SECONDS), backoff.delay(1)] == [0, 10]


def test_an_image_is_found_by_its_digest_alone() -> None:
    store = ImageStore([AnImage()])
    assert store.find(IMAGE).entrypoint == ("/x",)
    assert store.find(f"elsewhere.example.com/x@{DIGEST}").digest == DIGEST
    for wrong in ("registry.example.com/metallb:latest", IMAGE.replace("a" * 64, "b" * 64)):
        with pytest.raises(NotYetError, match="was not built here"):
            store.find(wrong)


@pytest.mark.parametrize(
    ("user", "expected"), [("", (0, 0)), ("64535", (64535, 0)), ("64535:64536", (64535, 64536))]
)
def test_the_user_of_an_image(user: str, expected: tuple[int, int]) -> None:
    assert user_of(AnImage(user=user)) == expected


def test_a_user_with_a_name_is_not_known() -> None:
    with pytest.raises(NotYetError, match="is no number"):
        user_of(AnImage(user="nobody"))


@pytest.mark.parametrize(
    ("text", "expected"), [("1Mi", 2**20), ("2k", 2000), ("4096", 4096), (4096, 4096)]
)
def test_quantities(text: str | int, expected: int) -> None:
    assert whole_bytes(text) == expected
    with pytest.raises(UnsupportedError):
        whole_bytes("1x")


def condition(kind: str, status: str, at: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": at}


def test_conditions_of_a_node() -> None:
    before = [condition("Ready", "True", "then"), condition("NetworkUnavailable", "False", "then")]
    same = node_conditions(before, [condition("Ready", "True", "now")])
    assert same == before
    changed = node_conditions(before, [condition("Ready", "False", "now")])
    assert changed == [condition("Ready", "False", "now"), before[1]]


def workload(kind: str, generation: int = 2, **status: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"generation": generation},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, **status},
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (workload("Deployment", updatedReplicas=2, readyReplicas=2, replicas=2), True),
        (workload("Deployment", updatedReplicas=2, readyReplicas=2, replicas=3), False),
        (workload("Deployment", updatedReplicas=1, readyReplicas=2, replicas=2), False),
        (workload("Deployment", 3, updatedReplicas=2, readyReplicas=2, replicas=2), False),
        (workload("DaemonSet", desiredNumberScheduled=3, updatedNumberScheduled=3, numberReady=3),
         True),
        (workload("DaemonSet", desiredNumberScheduled=3, updatedNumberScheduled=2, numberReady=3),
         False),
        (workload("DaemonSet"), False),
        ({"kind": "DaemonSet", "metadata": {"generation": 1}, "spec": {}}, False),
    ],
)  # fmt: skip
def test_what_is_rolled_out(value: dict[str, Any], expected: bool) -> None:
    assert rolled_out(value) is expected


def test_a_pod_in_words() -> None:
    value = pod()
    value["status"]["containerStatuses"] = [{"name": "c", "state": {}, "restartCount": 2}]
    assert describe_pod(value) == ["speaker-x: n1 Pending ", "  c: {} restarts 2"]


def test_data_of_secrets_and_config_maps() -> None:
    coded = base64.b64encode(b"\0").decode()
    assert content_of({"kind": "Secret", "data": {"a": coded}}) == {"a": b"\0"}
    maps = {"kind": "ConfigMap", "data": {"a": "x"}, "binaryData": {"b": coded}}
    assert content_of(maps) == {"a": b"x", "b": b"\0"}
    assert content_of({"kind": "Secret"}) == {}


def test_what_a_pod_speaks_of() -> None:
    read = read_pod(
        pod(
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
            env=[{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
        )
    )
    assert references(read) == {("Secret", "s"), ("ConfigMap", "c")}


def test_mounts_are_found_the_last_first() -> None:
    table = "\n".join(
        f"{number} 1 0:1 / {point} rw - tmpfs tmpfs rw"
        for number, point in enumerate(["/", "/run/lab/a", "/run/lab/a/b", "/run/labour"])
    )
    assert mounts_beneath(Path("/run/lab"), table) == ["/run/lab/a/b", "/run/lab/a"]
