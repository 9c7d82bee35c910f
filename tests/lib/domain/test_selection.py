from __future__ import annotations

from typing import Any

import pytest

from metallb.api.classes import read_class
from metallb.api.services import read_service
from metallb.domain.selection import Binding, BindingReason, choose_class, default_class
from support.objects import bound_condition, class_object, service_object

CLASSES = frozenset({"front", "back", "plain"})


def _choose(default: str | None = "plain", **service: Any) -> Binding | None:
    return choose_class(read_service(service_object(**service)), CLASSES, default)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        # nothing is said: the default
        ({}, Binding("plain", BindingReason.BOUND)),
        # the annotation is stronger than the default
        ({"class_annotation": "front"}, Binding("front", BindingReason.BOUND)),
        ({"class_annotation": " front "}, Binding("front", BindingReason.BOUND)),
        ({"class_annotation": " "}, Binding("plain", BindingReason.BOUND)),
        # the field is stronger than the annotation
        (
            {"loadBalancerClass": "back", "class_annotation": "front"},
            Binding("back", BindingReason.BOUND),
        ),
        # what was recorded is stronger than everything
        (
            {"loadBalancerClass": "back", "conditions": (bound_condition("front"),)},
            Binding("front", BindingReason.BOUND),
        ),
        # a class that was recorded and is gone is not replaced by another
        ({"conditions": (bound_condition("gone"),)}, Binding("gone", BindingReason.DELETED)),
        (
            {"conditions": (bound_condition("front", "LoadBalancerClassDeleted"),)},
            Binding("front", BindingReason.BOUND),
        ),
        # an annotation that names nothing is a refusal, and is not recorded as a binding
        ({"class_annotation": "x"}, Binding("x", BindingReason.UNKNOWN)),
        (
            {
                "class_annotation": "front",
                "conditions": (bound_condition("there is no class", "LoadBalancerClassUnknown"),),
            },
            Binding("front", BindingReason.BOUND),
        ),
        # somebody else's Services are left alone
        ({"loadBalancerClass": "cilium.io/l2"}, None),
        ({"loadBalancerClass": "cilium.io/l2", "class_annotation": "front"}, None),
        ({"type": "ClusterIP"}, None),
        ({"deleting": True}, None),
    ],
)
def test_the_class_of_a_service(service: dict[str, Any], expected: Binding | None) -> None:
    assert _choose(**service) == expected


def test_without_a_default_a_service_that_says_nothing_is_not_ours() -> None:
    assert _choose(default=None) is None


def test_only_a_class_that_exists_serves() -> None:
    assert Binding("a", BindingReason.BOUND).is_bound
    assert not Binding("a", BindingReason.DELETED).is_bound


def test_what_is_recorded_is_the_class_and_why() -> None:
    assert Binding("a", BindingReason.DELETED).record() == ("a", "LoadBalancerClassDeleted")


def test_the_oldest_default_class_wins_whatever_the_order() -> None:
    classes = [
        read_class(class_object("new", isDefault=True, created="2026-02-01T00:00:00Z")),
        read_class(class_object("old", isDefault=True, created="2026-01-01T00:00:00Z")),
        read_class(class_object("older", created="2025-01-01T00:00:00Z")),
    ]
    assert default_class(classes) == default_class(reversed(classes)) == "old"
    assert default_class(classes[2:]) is None


def test_of_default_classes_of_one_age_the_first_by_name_wins() -> None:
    classes = [read_class(class_object(name, isDefault=True)) for name in ("b", "a", "c")]
    assert default_class(classes) == "a"
