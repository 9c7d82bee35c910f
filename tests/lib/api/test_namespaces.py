from __future__ import annotations

from metallb.api.namespaces import Namespace, read_namespace


def test_a_namespace_is_read() -> None:
    found = read_namespace({"metadata": {"name": "web", "labels": {"tier": "front"}}})
    assert found == Namespace("web", {"tier": "front"})


def test_a_namespace_without_anything_is_read() -> None:
    assert read_namespace({"metadata": None}) == Namespace("", {})
