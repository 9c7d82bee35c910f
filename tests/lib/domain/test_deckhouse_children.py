from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.decisions import Decision, MergePatch
from metallb.domain.deckhouse_children import FINALIZER, children_hold, children_release
from support.objects import bound_condition, service_object
from support.situations import HOSTILE, situation

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.domain.decisions import Situation

OLD_KIND = [{"name": "sdninternall2lbservices.internal.network.deckhouse.io"}]


def _service(name: str, count: str | None, *ingress: str, bound: str = "front") -> dict[str, Any]:
    conditions = (bound_condition(bound),) if bound else ()
    return service_object(name, count=count, ingress=ingress, conditions=conditions)


def _patched(decision: Decision, finalizers: list[str] | None) -> list[str]:
    found = []
    for item in decision.operations:
        assert isinstance(item, MergePatch)
        assert (item.target.api_version, item.target.kind, item.subresource) == (
            "internal.network.deckhouse.io/v1alpha1", "SDNInternalL2LBService", "",
        )  # fmt: skip
        assert item.patch == {"metadata": {"finalizers": finalizers}}
        found.append(f"{item.target.namespace}/{item.target.name}")
    return found


def _held(*services: Any) -> list[str]:
    return _patched(children_hold(situation(old_kind=OLD_KIND, services=services)), [FINALIZER])


def test_children_of_who_shows_too_few_addresses_are_held() -> None:
    assert _held(_service("late", "3", "10.0.0.1"), _service("waits", None)) == [
        "default/late-front-0",
        "default/late-front-1",
        "default/late-front-2",
        "default/waits-front-0",
    ]


def test_who_shows_all_has_nothing_to_hold() -> None:
    assert (
        _held(_service("web", "2", "10.0.0.1", "10.0.0.2"), _service("one", None, "1.1.1.1")) == []
    )


@pytest.mark.parametrize(
    ("count", "children"),
    [("2", 2), ("+2", 2), ("1", 1), ("0", 1), ("-3", 1), ("", 1), ("many", 1), ("1_0", 1),
     ("2.0", 1), ("999999999", 256), ("9" * 5000, 1)],
)  # fmt: skip
def test_the_count_is_read_as_deckhouse_reads_it(count: str, children: int) -> None:
    assert len(_held(_service("web", count))) == children


@pytest.mark.parametrize("bound", ["", "no name/at all", "x" * 300])
def test_who_is_bound_to_no_class_has_no_children(bound: str) -> None:
    assert _held(_service("web", "2", bound=bound)) == []


def test_a_service_of_another_type_has_none() -> None:
    service = _service("web", "2")
    service["spec"]["type"] = "ClusterIP"
    assert _held(service) == []


def test_all_children_are_let_go_whatever_their_services_show() -> None:
    services = [_service("web", "2", "10.0.0.1", "10.0.0.2"), _service("free", "2", bound="")]
    decision = children_release(situation(old_kind=OLD_KIND, services=services))
    assert _patched(decision, None) == ["default/web-front-0", "default/web-front-1"]


@pytest.mark.parametrize("decide", [children_hold, children_release])
def test_without_the_kind_nothing_is_asked_for(decide: Callable[[Situation], Decision]) -> None:
    for old_kind in ([], [None]):
        assert decide(situation(old_kind=old_kind, services=[_service("web", "2")])) == Decision()


@pytest.mark.parametrize("decide", [children_hold, children_release])
def test_odd_snapshots_change_nothing(decide: Callable[[Situation], Decision]) -> None:
    assert decide(situation(old_kind=OLD_KIND, services=HOSTILE)) == Decision()
