"""The CRDs of this project, from ``crds/``, on both servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from contract.crds import DEFINITIONS, established

if TYPE_CHECKING:
    from contract.api import Api, Document

CRDS = Path(__file__).parents[2] / "crds"
VERSION = "network.deckhouse.io/v1alpha1"


TAKEN_BY_DECKHOUSE: tuple[Document, ...] = (
    {},
    {"type": "BGP"},
    {"type": ""},
    {"l2": {"interfaces": ["a/b", "", "an-interface-with-a-long-name"]}},
    {"addressPool": ["1", "", "192.168.2.300/24"]},
    {"isDefault": False, "nodeSelector": {"a": ""}},
)
"""Its schema has the fields' types and nothing else: what it takes, ours must take."""


ALL = sorted(path for path in CRDS.rglob("*.yaml") if not path.name.startswith("doc-ru-"))


@pytest.mark.parametrize("file", ALL, ids=lambda path: path.stem)
async def test_every_crd_is_accepted(api: Api, file: Path) -> None:
    assert len(ALL) >= 5
    answer = await api.post(DEFINITIONS, read(file), dryRun="All", fieldValidation="Strict")
    assert answer.status in (201, 409), answer.raw  # another test may have it already
    assert answer.warnings == []


def read(file: Path) -> Document:
    found: Document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    return found


async def served(api: Api, plural: str) -> str:
    return await established(api, read(CRDS / f"{plural}.yaml"))


def thing(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


async def test_classes(api: Api) -> None:
    path = await served(api, "metalloadbalancerclasses")
    l2 = {"rebalancing": {}, "interfaces": ["eth0"]}
    body = thing("MetalLoadBalancerClass", "a", {"type": "L2", "l2": l2, "addressPool": ["::1"]})
    made = (await api.post(path, body)).ok(201)
    assert made["spec"]["l2"] == l2  # what a class does not say is as the module's settings say
    for field, wrong in (("policy", "Often"), ("delaySeconds", -1), ("movesPerMinute", 0)):
        spec = {"l2": {"rebalancing": {field: wrong}}}
        answer = await api.post(path, thing("MetalLoadBalancerClass", "bad", spec))
        assert {name for _, name in answer.causes()} == {f"spec.l2.rebalancing.{field}"}
    for number, spec in enumerate(TAKEN_BY_DECKHOUSE):
        (await api.post(path, thing("MetalLoadBalancerClass", f"odd-{number}", spec))).ok(201)
        (await api.delete(f"{path}/odd-{number}")).ok()
    ready = {"type": "Ready", "status": "True", "reason": "Fine"}
    status = {"addresses": {"total": 5, "used": 2, "free": 3}, "conditions": [ready]}
    (await api.patch(f"{path}/a/status", {"status": status})).ok()
    twice = await api.patch(f"{path}/a/status", {"status": {"conditions": [ready, ready]}})
    assert twice.causes() == {("FieldValueDuplicate", "status.conditions[1]")}
    _, out, _ = await api.kubectl("get", "mlbc", namespace=False)
    head, line = out.splitlines()
    assert head.split() == ["NAME", "DEFAULT", "TOTAL", "USED", "FREE", "NODES", "READY", "AGE"]
    assert line.split()[:5] == ["a", "5", "2", "3", "True"]


async def test_virtual_ips(api: Api) -> None:
    path = await served(api, "virtualips")
    spec = {
        "address": "10.0.0.1",
        "pool": "a",
        "services": [{"namespace": "n", "name": "s"}],
        "layer2": {"nodes": ["one", "two"]},
    }
    (await api.post(path, thing("VirtualIP", "10.0.0.1", spec))).ok(201)
    answer = await api.post(path, thing("VirtualIP", "bad", {"address": "10.0.0.2"}))
    assert {name for _, name in answer.causes()} >= {"spec.pool", "spec.services"}
    answer = await api.patch(f"{path}/10.0.0.1", {"spec": {"address": "10.0.0.2"}})
    assert answer.causes() == {("FieldValueInvalid", "spec.address")}
    assert "the address of a VirtualIP cannot be changed" in answer.body["message"]
    status = {"announcers": [{"node": "one", "since": "2026-01-01T00:00:00Z"}]}
    (await api.patch(f"{path}/10.0.0.1/status", {"status": status})).ok()
    _, out, _ = await api.kubectl("get", "vip", namespace=False)
    head, line = out.splitlines()
    assert head.split()[:5] == ["NAME", "ADDRESS", "POOL", "SERVICE", "NAMESPACE"]
    assert line.split()[:7] == ["10.0.0.1", "10.0.0.1", "a", "s", "n", "one", "one"]
