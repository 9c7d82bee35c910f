"""Objects are refused for what would not work, in words that name path and value (§7)."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.domain.everything import Everything
from metallb.domain.verdicts import Verdict
from metallb_controller.admission.kinds import KINDS
from metallb_controller.admission.questions import read_question
from metallb_controller.admission.verdicts import judge

NAMESPACE = "d8-metallb"
NATIVE = sorted(name for name, kind in KINDS.items() if kind.is_native)
POOLS = sorted((name, kind.ranges) for name, kind in KINDS.items() if kind.ranges)


def _object(kind: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "edge", "namespace": NAMESPACE}, "spec": spec}


def _elsewhere(kind: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {**_object(kind, **spec), "metadata": {"name": "edge", "namespace": namespace}}


def _judge(value: Any, before: Any = None, **rest: Any) -> Verdict:
    question = read_question({"uid": "u", "object": value, "oldObject": before})
    return judge(question, Everything(), NAMESPACE, **rest)


@pytest.mark.parametrize(("kind", "field"), POOLS)
@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.1-10.0.0.9", "fd00::/120"])
def test_ranges_that_can_be_read_are_right(kind: str, field: str, text: str) -> None:
    assert _judge(_object(kind, **{field: [text]})) == Verdict()


@pytest.mark.parametrize(("kind", "field"), POOLS)
@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.9-10.0.0.1", "ten", ""])
def test_a_range_that_cannot_be_read_is_refused_by_its_path(
    kind: str, field: str, text: str
) -> None:
    found = _judge(_object(kind, **{field: ["10.0.0.1", text]}))
    [error] = found.errors
    assert error.startswith(f".spec.{field}[1]: ")
    assert text in error
    assert found.warnings == ()


@pytest.mark.parametrize(("kind", "field"), POOLS)
def test_every_wrong_range_is_named_at_once(kind: str, field: str) -> None:
    assert len(_judge(_object(kind, **{field: ["a", "10.0.0.1", "b"]})).errors) == 2


@pytest.mark.parametrize(("kind", "field"), POOLS)
def test_no_range_at_all_is_a_warning(kind: str, field: str) -> None:
    found = _judge(_object(kind, **{field: []}))
    assert found.errors == ()
    [warning] = found.warnings
    assert warning.startswith(f"spec.{field} is empty")


def test_a_class_is_refused_for_an_interface_that_cannot_be() -> None:
    found = _judge(_object("MetalLoadBalancerClass", addressPool=["10.0.0.1"],
                           l2={"interfaces": ["eth0", "a name too long for one"]}))  # fmt: skip
    assert [error.partition(":")[0] for error in found.errors] == [".spec.l2.interfaces[1]"]


def test_a_wrong_object_whose_spec_stays_as_it_was_is_let_through() -> None:
    wrong = _object("MetalLoadBalancerClass", addressPool=["nonsense"])
    labelled = {**wrong, "metadata": {"name": "edge", "labels": {"a": "b"}}}
    assert _judge(labelled, wrong) == Verdict()


def test_a_wrong_object_that_is_changed_to_another_wrong_one_is_refused() -> None:
    before = _object("MetalLoadBalancerClass", addressPool=["nonsense"])
    assert _judge(_object("MetalLoadBalancerClass", addressPool=["other"]), before).errors


def test_a_kind_that_nobody_judges_is_right() -> None:
    assert _judge({"kind": "Service", "spec": {"type": 7}}) == Verdict()
    assert _judge({}) == Verdict()
    assert _judge(None, {"kind": "Service"}) == Verdict()


@pytest.mark.parametrize("kind", NATIVE)
def test_7_a_native_object_elsewhere_is_refused_on_create_and_on_update(kind: str) -> None:
    value = _elsewhere(kind)
    created, changed = _judge(value), _judge(value, _elsewhere(kind, changed=True))
    for found, verb in ((created, "create it there"), (changed, "keep it there")):
        error = found.errors[-1]
        assert error.startswith("metadata.namespace: ")
        assert NAMESPACE in error
        assert error.endswith(verb)


@pytest.mark.parametrize("namespace", [NAMESPACE, "metallb-system"])
@pytest.mark.parametrize("kind", NATIVE)
def test_manifests_of_upstream_are_applied_where_they_are(kind: str, namespace: str) -> None:
    found = _judge(_elsewhere(kind, namespace))
    assert not any("namespace" in error for error in found.errors)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(NATIVE)))
def test_kinds_of_the_cluster_are_of_no_namespace(kind: str) -> None:
    found = _judge(_elsewhere(kind, ""))
    assert not any("namespace" in error for error in found.errors)


def _services(*names: str) -> tuple[ObjectKey, ...]:
    return tuple(ObjectKey("default", name) for name in names)


@pytest.mark.parametrize(
    ("holders", "addresses", "services"),
    [
        ([_services("a")], "1 address", "1 Service: default/a"),
        (
            [_services("a", "b"), _services("a")],
            "2 addresses",
            "2 Services: default/a, default/b",
        ),
        (
            [_services(*"edcba")],
            "1 address",
            "5 Services: default/a, default/b, default/c and 2 more",
        ),
    ],
)
def test_7_a_pool_in_use_is_deleted_with_a_warning(
    holders: Any, addresses: str, services: str
) -> None:
    found = _judge(None, _object("IPAddressPool"), holders=holders)
    text = f"{addresses} of this IPAddressPool will be taken from {services}"
    assert found == Verdict(warnings=(text,))


def test_7_a_pool_that_is_not_in_use_goes_in_silence() -> None:
    assert _judge(None, _object("IPAddressPool")) == Verdict()
