"""Selectors without a server: the grammar, and matching as sets see it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_lab.apiserver.errors import ApiError
from metallb_lab.apiserver.selectors import (
    Selection,
    from_object,
    matches_labels,
    parse_fields,
    parse_labels,
    split_terms,
)

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", "z"]), max_size=3)


@given(LABELS, st.sampled_from("abc"), st.sets(st.sampled_from(["x", "y", "z"]), min_size=1))
def test_in_and_notin_are_opposites(labels: dict[str, str], key: str, values: set[str]) -> None:
    listed = ",".join(sorted(values))
    inside = matches_labels(parse_labels(f"{key} in ({listed})"), labels)
    outside = matches_labels(parse_labels(f"{key} notin ({listed})"), labels)
    assert inside is (labels.get(key) in values)
    assert inside is not outside


@given(LABELS, st.sampled_from("abc"))
def test_exists_and_its_negation(labels: dict[str, str], key: str) -> None:
    assert matches_labels(parse_labels(key), labels) is (key in labels)
    assert matches_labels(parse_labels(f"!{key}"), labels) is (key not in labels)


@given(st.text(max_size=30))
def test_anything_is_parsed_or_refused(text: str) -> None:
    code = 0
    try:
        parse_labels(text)
    except ApiError as error:
        code = error.code
    assert code in {0, 400}


def test_selector_objects_mean_the_same() -> None:
    selector = {
        "matchLabels": {"a": "x"},
        "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["y", "z"]},
            {"key": "c", "operator": "DoesNotExist"},
        ],
    }
    chosen = from_object(selector)
    assert matches_labels(chosen, {"a": "x", "b": "y"})
    assert not matches_labels(chosen, {"a": "x", "b": "x"})
    assert not matches_labels(chosen, {"a": "x", "b": "y", "c": ""})
    assert from_object(None) == ()


def test_fields() -> None:
    terms = parse_fields(r"a=b\,c,d!=e", lambda name: None)
    assert [(t.field, t.value, t.equal) for t in terms] == [("a", "b,c", True), ("d", "e", False)]
    assert split_terms("a=b,,c=d") == ["a=b", "c=d"]
    with pytest.raises(ApiError, match="no such field"):
        parse_fields("a=b", lambda name: "no such field")


def test_a_selection_knows_its_one_name() -> None:
    def read(obj: Any, name: str) -> str:
        return str(obj["metadata"].get(name.partition(".")[2], ""))

    chosen = Selection((), parse_fields("metadata.name=x", lambda name: None), read)
    assert chosen.single_name == "x"
    assert chosen.matches({"metadata": {"name": "x"}})
    assert not chosen.matches({"metadata": {"name": "y"}})
    assert Selection().everything
