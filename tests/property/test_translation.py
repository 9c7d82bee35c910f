"""Whatever is written in objects of both dialects: reading, translation and judgement go on, say
the same in every order, and never take a malformed selector for one that selects everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from metallb.domain.everything import Everything
from metallb.domain.translation import Translation, translate
from metallb.domain.validation import validate, validate_deletion
from support.everything import READERS
from support.hostile import SPECS, paths, put, some_objects, whole

if TYPE_CHECKING:
    from support.hostile import Document

ARGUMENTS = {
    "MetalLoadBalancerClass": "classes",
    "MetalLoadBalancerPool": "pools",
    "MetalLoadBalancerConfiguration": "configurations",
    "IPAddressPool": "native_pools",
    "L2Advertisement": "layer2_advertisements",
    "BGPAdvertisement": "bgp_advertisements",
    "Community": "communities",
}


def translated(items: list[tuple[str, Any]]) -> Translation:
    written: dict[str, Any] = {}
    for kind, parsed in items:
        if kind in ARGUMENTS:
            written.setdefault(ARGUMENTS[kind], []).append(parsed)
    return translate(**written)


def test_the_whole_objects_have_no_fault() -> None:
    """So what is spoilt below is spoilt by nothing else."""
    assert SPECS.keys() == READERS.keys()
    for kind, read in READERS.items():
        assert read(whole(kind)).problems == (), kind
    found = translated([(kind, READERS[kind](whole(kind))) for kind in READERS])
    assert len(found.pools) == 3
    assert not found.problems


@given(some_objects())
def test_nothing_that_is_written_stops_anything(items: list[tuple[str, Document]]) -> None:
    everything = Everything()
    parsed = [(kind, READERS[kind](value)) for kind, value in items]
    for kind, item in parsed:
        for problem in item.problems:
            assert len(str(problem)) < 600
        everything.put(kind, item)
    found = translated(parsed)
    assert len({pool.key for pool in found.pools}) == len(found.pools)
    for kind, item in parsed:
        verdict = validate(kind, item, everything)
        assert all(len(text) < 1000 for text in (*verdict.errors, *verdict.warnings))
        validate_deletion(kind, item.meta.key, everything)


@given(some_objects(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(
    items: list[tuple[str, Document]], chance: Any
) -> None:
    """metallb.md §8.2.16."""
    by_key = {}
    for kind, value in items:
        item = READERS[kind](value)
        by_key[kind, item.meta.key] = kind, item
    parsed = list(by_key.values())
    wanted = translated(parsed)
    chance.shuffle(parsed)
    assert translated(parsed) == wanted


_WRONG = st.sampled_from([7, True, "a b c", [7], {"matchLabels": 7}, [[]], 1.5])
_SELECTING = {
    "L2Advertisement": (
        "ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "serviceSelectors",
    ),
    "BGPAdvertisement": (
        "ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "peers",
    ),
    "IPAddressPool": ("serviceAllocation",),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fs in _SELECTING.items() for f in fs])
@given(st.data())
def test_a_value_of_the_wrong_type_never_selects_everything(
    kind: str, field: str, data: st.DataObject
) -> None:
    """What is malformed is for nobody (a label that nothing has), never for all."""
    value = whole(kind)
    places = [
        path for path in paths(value) if path[:2] == ("spec", field) and path[-1] != "priority"
    ]
    put(value, data.draw(st.sampled_from(places)), data.draw(_WRONG))
    spec = READERS[kind](value)
    match field:
        case "ipAddressPools" | "ipAddressPoolSelectors":
            assert not spec.pools.covers("another", {"c": "d"})
        case "nodeSelectors":
            assert spec.node_selectors
            assert not any(item.matches({"c": "d"}) for item in spec.node_selectors)
        case "serviceSelectors":
            assert spec.service_selectors
            assert not any(item.matches({"c": "d"}) for item in spec.service_selectors)
        case "peers":
            assert spec.peers
        case _:
            _is_for_nobody_else(spec.allocation)


def _is_for_nobody_else(allocation: Any) -> None:
    assert allocation is not None
    is_any_namespace = not allocation.namespaces and not allocation.namespace_selectors
    labels = {"c": "d"}
    fits = is_any_namespace or any(s.matches(labels) for s in allocation.namespace_selectors)
    serves = not allocation.service_selectors or any(
        s.matches(labels) for s in allocation.service_selectors
    )
    assert not (fits and serves)
