"""Objects are refused for what would not work, in words that name path and value."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.admission.verdicts import Verdict, judge


def _object(kind: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "edge"}, "spec": spec}


POOLS = [
    ("MetalLoadBalancerClass", "addressPool"),
    ("MetalLoadBalancerPool", "addresses"),
    ("IPAddressPool", "addresses"),
]


@pytest.mark.parametrize(("kind", "field"), POOLS)
@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.1-10.0.0.9", "fd00::/120"])
def test_ranges_that_can_be_read_are_right(kind: str, field: str, text: str) -> None:
    assert judge(_object(kind, **{field: [text]})) == Verdict()


@pytest.mark.parametrize(("kind", "field"), POOLS)
@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.9-10.0.0.1", "ten", ""])
def test_a_range_that_cannot_be_read_is_refused_by_its_path(
    kind: str, field: str, text: str
) -> None:
    found = judge(_object(kind, **{field: ["10.0.0.1", text]}))
    [error] = found.errors
    assert error.startswith(f".spec.{field}[1]: ")
    assert text in error
    assert found.warnings == ()


@pytest.mark.parametrize(("kind", "field"), POOLS)
def test_every_wrong_range_is_named_at_once(kind: str, field: str) -> None:
    assert len(judge(_object(kind, **{field: ["a", "10.0.0.1", "b"]})).errors) == 2


@pytest.mark.parametrize(("kind", "field"), POOLS)
def test_no_range_at_all_is_a_warning(kind: str, field: str) -> None:
    found = judge(_object(kind, **{field: []}))
    assert found.errors == ()
    [warning] = found.warnings
    assert warning.startswith(f"spec.{field} is empty")


def test_a_class_is_refused_for_an_interface_that_cannot_be() -> None:
    found = judge(_object("MetalLoadBalancerClass", addressPool=["10.0.0.1"],
                          l2={"interfaces": ["eth0", "a name too long for one"]}))  # fmt: skip
    assert [error.partition(":")[0] for error in found.errors] == [".spec.l2.interfaces[1]"]


def test_a_wrong_object_whose_spec_stays_as_it_was_is_let_through() -> None:
    wrong = _object("MetalLoadBalancerClass", addressPool=["nonsense"])
    labelled = {**wrong, "metadata": {"name": "edge", "labels": {"a": "b"}}}
    assert judge(labelled, before=wrong) == Verdict()


def test_a_wrong_object_that_is_changed_to_another_wrong_one_is_refused() -> None:
    before = _object("MetalLoadBalancerClass", addressPool=["nonsense"])
    assert judge(_object("MetalLoadBalancerClass", addressPool=["other"]), before).errors


def test_a_kind_that_nobody_judges_is_right() -> None:
    assert judge(_object("Community", communities=[])) == Verdict()
    assert judge({}) == Verdict()
