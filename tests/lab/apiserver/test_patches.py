"""Patches without a server: laws of merge patch, cases of strategic merge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_lab.apiserver.documents import copied, encode
from metallb_lab.apiserver.errors import ApiError
from metallb_lab.apiserver.openapi_types import shape_of
from metallb_lab.apiserver.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply_patch
from metallb_lab.apiserver.strategic import strategic_merge

SCALARS = st.one_of(st.integers(0, 3), st.text("ab", max_size=2), st.booleans())
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)
SERVICE = shape_of("", "v1", "Service")


@given(OBJECTS, OBJECTS)
def test_merge_patch_laws(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copied(target)
    once = apply_patch(MERGE_PATCH, encode(patch), target, None)
    assert target == before
    assert apply_patch(MERGE_PATCH, encode(patch), once, None) == once
    assert apply_patch(MERGE_PATCH, b"{}", target, None) == target
    nothing = dict.fromkeys(target)
    assert apply_patch(MERGE_PATCH, encode(nothing), target, None) == {}


def test_rfc_7396_examples() -> None:
    for target, patch, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert apply_patch(MERGE_PATCH, encode(patch), target, None) == result


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (MERGE_PATCH, b"[]", 400),
        (MERGE_PATCH, b"{", 400),
        (JSON_PATCH, b"{}", 400),
        (JSON_PATCH, b'[{"op":"remove","path":"/x"}]', 422),
        (JSON_PATCH, b'[{"op":"add","path":"x","value":1}]', 422),
        (JSON_PATCH, b'[{"op":"add"}]', 422),
        (JSON_PATCH, b'[{"op":"replace","path":"","value":1}]', 422),
        (STRATEGIC_PATCH, b"1", 400),
    ],
)
def test_patches_that_are_refused(kind: str, body: bytes, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        apply_patch(kind, body, {"a": 1}, SERVICE)
    assert refused.value.code == code


def strategic(original: Any, patch: Any) -> Any:
    return strategic_merge(copied(original), copied(patch), SERVICE)


def ports(*numbers: int) -> Any:
    return {"spec": {"ports": [{"port": n, "name": f"p{n}"} for n in numbers]}}


def numbers(service: Any) -> list[int]:
    return [port["port"] for port in service["spec"]["ports"]]


def test_lists_merge_by_key() -> None:
    merged = strategic(ports(1, 2), {"spec": {"ports": [{"port": 2, "nodePort": 9}]}})
    assert {"port": 2, "name": "p2", "nodePort": 9} in merged["spec"]["ports"]
    assert sorted(numbers(merged)) == [1, 2]
    assert numbers(strategic(ports(1, 2), ports(3))) == [3, 1, 2]


def test_delete_and_replace_directives() -> None:
    removal = {"spec": {"ports": [{"port": 1, "$patch": "delete"}]}}
    assert numbers(strategic(ports(1, 2), removal)) == [2]
    replacement = {"spec": {"ports": [{"$patch": "replace"}, {"port": 5}]}}
    assert numbers(strategic(ports(1, 2), replacement)) == [5]
    assert strategic(ports(1), {"spec": {"$patch": "delete"}}) == {"spec": {}}
    assert strategic(ports(1), {"spec": {"$patch": "replace", "type": "x"}}) == {
        "spec": {"type": "x"}
    }


@given(st.permutations([1, 2, 3, 4]), st.permutations([1, 2, 3, 4]))
def test_set_element_order_orders(before: list[int], wanted: list[int]) -> None:
    order = [{"port": n} for n in wanted]
    patch = {"spec": {"$setElementOrder/ports": order}}
    assert numbers(strategic(ports(*before), patch)) == wanted


def test_nulls_in_new_values_vanish() -> None:
    patch = {"spec": {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": None}}}}
    assert strategic({}, patch) == {"spec": {"sessionAffinityConfig": {"clientIP": {}}}}


def test_items_without_their_key_are_refused() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key"):
        strategic(ports(1), {"spec": {"ports": [{"name": "x"}]}})
