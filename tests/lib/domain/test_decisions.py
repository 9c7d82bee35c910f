from __future__ import annotations

from metallb.domain.decisions import (
    CreateIfNotExists,
    CreateOrUpdate,
    Delete,
    MergePatch,
    Target,
)
from support.situations import situation


def test_operations_as_patch_files_have_them() -> None:
    made = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert CreateIfNotExists(made).to_object() == {
        "operation": "CreateIfNotExists",
        "object": made,
    }
    assert CreateOrUpdate(made).to_object() == {"operation": "CreateOrUpdate", "object": made}
    assert Delete(Target("v1", "Secret", "s", "ns")).to_object() == {
        "operation": "DeleteInBackground",
        "apiVersion": "v1",
        "kind": "Secret",
        "name": "s",
        "namespace": "ns",
    }
    assert MergePatch(Target("v1", "Node", "n"), {"status": {}}, "status").to_object() == {
        "operation": "MergePatch",
        "apiVersion": "v1",
        "kind": "Node",
        "name": "n",
        "mergePatch": {"status": {}},
        "subresource": "status",
        "ignoreMissingObject": True,
    }


def test_snapshots_give_objects_only() -> None:
    found = situation(things=[{"a": 1}, None, "x", ["y"]]).snapshot("things")
    assert [item.value for item in found] == [{"a": 1}]
    assert situation().snapshot("things") == []


def test_internal_values_may_be_absent() -> None:
    assert situation().internal().value == {}
    assert situation(values={"internal": {"a": 1}}).internal().value == {"a": 1}
