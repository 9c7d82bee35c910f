from __future__ import annotations

from metallb.api.fields import Fields
from metallb.api.meta import ObjectKey, Reference, read_metadata
from metallb.api.selectors import NodeSelector


def test_metadata_is_read() -> None:
    meta = read_metadata(
        Fields(
            {
                "metadata": {
                    "name": "a",
                    "namespace": "n",
                    "uid": "u",
                    "resourceVersion": "5",
                    "generation": 2,
                    "creationTimestamp": "t",
                    "deletionTimestamp": "t2",
                }
            }
        )
    )
    assert meta.key == ObjectKey("n", "a")
    assert str(meta.key) == "n/a"
    assert str(ObjectKey("", "a")) == "a"
    assert meta.is_deleting
    assert meta.seniority == ("t", "n", "a")
    assert not read_metadata(Fields({})).is_deleting


def test_a_reference_says_only_what_it_knows() -> None:
    made = Reference("v1", "Node", ObjectKey("", "a"), "u").to_object()
    assert made == {"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "u"}


def test_a_selector_selects_by_equality_and_an_empty_one_everything() -> None:
    selector = NodeSelector.of({"b": "2", "a": ""})
    assert selector.matches({"a": "", "b": "2", "c": "3"})
    assert not selector.matches({"b": "2"})
    assert not selector.matches({"a": "", "b": "3"})
    assert NodeSelector().matches({})
    assert str(selector) == "a=,b=2"
    assert str(NodeSelector()) == "every node"
