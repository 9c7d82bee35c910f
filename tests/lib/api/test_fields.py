from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.api.fields import Fields, listed, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _problems(fields: Fields) -> list[str]:
    return [str(problem) for problem in fields.problems]


def test_fields_of_the_right_type_are_read() -> None:
    fields = Fields(
        {
            "name": "a",
            "yes": True,
            "count": 3,
            "list": ["x", "y"],
            "numbers": [9, 1],
            "map": {"k": "v"},
            "child": {"name": "b"},
            "children": [{"name": "c"}],
            "word": "Left",
        }
    )
    assert fields.text("name") == "a"
    assert fields.boolean("yes") is True
    assert fields.integer("count", 0, 0, 9) == 3
    assert fields.texts("list") == ("x", "y")
    assert fields.integers("numbers", 1, 9) == (9, 1)
    assert fields.mapping("map") == {"k": "v"}
    assert fields.child("child").text("name") == "b"
    assert [child.text("name") for child in fields.children("children")] == ["c"]
    assert fields.choice("word", ("Left", "Right"), "Right") == "Left"
    assert _problems(fields) == []


def test_absent_and_null_fields_give_defaults_without_a_problem() -> None:
    fields = Fields({"name": None, "list": None, "child": None})
    assert fields.text("name", "d") == "d"
    assert fields.boolean("yes", True) is True
    assert fields.integer("count", 7, 0, 9) == 7
    assert fields.texts("list") == ()
    assert fields.mapping("map") == {}
    assert fields.child("child").text("deep") == ""
    assert fields.children("children") == []
    assert fields.choice("word", ("a",), "a") == "a"
    assert _problems(fields) == []


@pytest.mark.parametrize(
    ("value", "read", "path"),
    [
        ({"a": 1}, lambda f: f.text("a"), ".a"),
        ({"a": "true"}, lambda f: f.boolean("a"), ".a"),
        ({"a": True}, lambda f: f.integer("a", 0, 0, 9), ".a"),
        ({"a": 10}, lambda f: f.integer("a", 0, 0, 9), ".a"),
        ({"a": "x"}, lambda f: f.texts("a"), ".a"),
        ({"a": ["x", 1]}, lambda f: f.texts("a"), ".a[1]"),
        ({"a": 1}, lambda f: f.integers("a", 0, 9), ".a"),
        ({"a": [1, True]}, lambda f: f.integers("a", 0, 9), ".a[1]"),
        ({"a": []}, lambda f: f.mapping("a"), ".a"),
        ({"a": {"k": 1}}, lambda f: f.mapping("a"), ".a['k']"),
        ({"a": []}, lambda f: f.child("a"), ".a"),
        ({"a": [1]}, lambda f: f.children("a"), ".a[0]"),
        ({"a": {"b": [{"c": 1}]}}, lambda f: f.child("a").children("b")[0].text("c"), ".a.b[0].c"),
        ({"a": "Up"}, lambda f: f.choice("a", ("Left", "Right"), "Left"), ".a"),
    ],
)
def test_a_wrong_field_is_noted_with_its_path(value: Any, read: Any, path: str) -> None:
    fields = Fields(value)
    read(fields)
    assert [problem.path for problem in fields.problems] == [path]


def test_what_is_right_of_a_list_is_kept() -> None:
    fields = Fields({"a": ["x", 1, "y", None]})
    assert fields.texts("a") == ("x", "y")
    assert len(fields.problems) == 2
    fields = Fields({"a": [0, 7, "8", 10, 1.5]})
    assert fields.integers("a", 1, 9) == (7,)
    assert [problem.path for problem in fields.problems] == [".a[0]", ".a[2]", ".a[3]", ".a[4]"]


def test_a_long_value_is_cut_in_messages() -> None:
    assert len(shown("x" * 1000)) < 100
    assert shown("ab") == "'ab'"


@given(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4))
def test_no_json_makes_a_getter_raise(value: dict[str, Any]) -> None:
    fields = Fields(value)
    for name in "abcde":
        fields.text(name)
        fields.boolean(name)
        fields.integer(name, 0, 0, 9)
        fields.texts(name)
        fields.integers(name, 0, 9)
        fields.mapping(name)
        fields.child(name).text("x")
        for child in fields.children(name):
            child.text("x")
        fields.choice(name, ("x",), "x")
    assert all(problem.path and problem.message for problem in fields.problems)


def test_the_first_few_of_many_are_spelled_out() -> None:
    assert listed([]) == ""
    assert listed([1, 2]) == "1, 2"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed("abc", 2) == "a, b and 1 more"
