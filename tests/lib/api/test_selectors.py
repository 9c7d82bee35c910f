"""metav1 selectors: read, compared, and malformed."""

from __future__ import annotations

from typing import Any

import pytest

from metallb.api.fields import Fields
from metallb.api.selectors import (
    NOTHING,
    LabelSelector,
    NodeSelector,
    any_matches,
    read_node_selector,
    read_selector,
    read_selectors,
)

A_IN_B = {"key": "a", "operator": "In", "values": ["b"]}


EXPRESSIONS = ".spec.list[0].matchExpressions"


def read(value: Any) -> tuple[tuple[LabelSelector, ...], list[str]]:
    fields = Fields({"list": value}, ".spec")
    found = read_selectors(fields, "list")
    return found, [str(problem) for problem in fields.problems]


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "a", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchLabels": {"a": ""}}, {}, False),
        (expression("In", "c", "b"), {"a": "b"}, True),
        (expression("In", "c", "b"), {}, False),
        (expression("NotIn", "c"), {"a": "b"}, True),
        (expression("NotIn", "c"), {"a": "c"}, False),
        (expression("NotIn", "c"), {}, True),
        (expression("Exists"), {"a": "x"}, True),
        (expression("Exists"), {}, False),
        (expression("DoesNotExist"), {"a": "x"}, False),
        (expression("DoesNotExist"), {}, True),
        ({"matchLabels": {"c": "d"}, **expression("Exists")}, {"a": "x"}, False),
        ({"matchLabels": {"c": "d"}, **expression("Exists")}, {"a": "x", "c": "d"}, True),
    ],
)
def test_a_selector_matches(selector: Any, labels: dict[str, str], matches: bool) -> None:
    fields = Fields(selector)
    assert read_selector(fields).matches(labels) is matches
    assert not fields.problems


@pytest.mark.parametrize(
    ("row", "selector", "complaint"),
    [
        ("no operator", {"matchExpressions": [{"key": "a"}]}, "operator: '' is not one of In"),
        ("no key", {"matchExpressions": [{"operator": "Exists"}]}, "key: '' cannot be the name"),
        ("another operator", expression("Gt", "1"), "operator: 'Gt' is not one of In"),
        ("In without values", expression("In"), "values: at least one value is wanted"),
        ("Exists with values", expression("Exists", "b"), "values: no value is wanted"),
        ("not a key", {"matchLabels": {"a b": "c"}}, "'a b' cannot be the name of a label"),
        ("not a value", {"matchLabels": {"a": "b c"}}, "'b c' cannot be the value of a label"),
        ("values not text", expression("In") | {"matchLabels": {"a": 1}}, "a string is wanted"),
        ("expression no object", {"matchExpressions": [7]}, "an object is wanted, not 7"),
        ("labels no map", {"matchLabels": ["a"]}, "a map of strings is wanted"),
    ],
)
def test_a_malformed_selector_selects_nothing_and_says_why(
    row: str, selector: Any, complaint: str
) -> None:
    """metallb.md §2, selectors: malformed ones are errors; never 'everything'."""
    found, problems = read([selector])
    assert found == (NOTHING,), row
    assert not any_matches(found, {})
    assert not any_matches(found, {"a": "b", "": ""})
    assert complaint in problems[0]
    assert problems[0].startswith(".spec.list[0].match")


@pytest.mark.parametrize("value", ["a", {"matchLabels": {}}, 7, [1], ["a", None]])
def test_a_list_that_is_none_selects_nothing(value: Any) -> None:
    found, problems = read(value)
    assert found == (NOTHING,)
    assert problems


@pytest.mark.parametrize("value", [None, []])
def test_an_absent_list_selects_all(value: Any) -> None:
    found, problems = read(value)
    assert found == ()
    assert not problems
    assert any_matches(found, {})


@pytest.mark.parametrize(
    ("row", "value", "problems"),
    [
        (
            "a value",
            [expression("In", "b", "c", "b")],
            [".spec.list[0].matchExpressions[0].values: a value is there more than once"],
        ),
        (
            "an expression, its values in another order",
            [
                {
                    "matchExpressions": [
                        {"key": "a", "operator": "In", "values": ["b", "c"]},
                        {"key": "a", "operator": "In", "values": ["c", "b"]},
                    ]
                }
            ],
            [f"{EXPRESSIONS}[1]: the same requirement as {EXPRESSIONS}[0]"],
        ),
        (
            "a selector",
            [{"matchLabels": {"a": "b"}}, {}, {"matchLabels": {"a": "b"}}],
            [".spec.list[2]: the same selector as .spec.list[0]"],
        ),
        ("label and expression", [{"matchLabels": {"a": "b"}, "matchExpressions": [A_IN_B]}], []),
        ("two forms", [{"matchLabels": {"a": "b"}}, {"matchExpressions": [A_IN_B]}], []),
    ],
)
def test_what_is_repeated_is_noted_and_does_no_harm(
    row: str, value: Any, problems: list[str]
) -> None:
    """metallb.md §2, the rule of duplicates in selectors."""
    found, noted = read(value)
    assert noted == problems, row
    assert NOTHING not in found
    assert any_matches(found, {"a": "b"})


def test_equal_selectors_are_there_once() -> None:
    found, _ = read([{"matchLabels": {"a": "b"}}, {"matchExpressions": [A_IN_B]}])
    assert found == (LabelSelector.of({"a": "b"}),)


def test_a_selector_speaks_as_kubectl_does() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "c", "operator": "In", "values": ["e", "d"]},
        {"key": "f", "operator": "NotIn", "values": ["g"]},
        {"key": "h", "operator": "Exists"},
        {"key": "i", "operator": "DoesNotExist"},
    ]
    (found,), _ = read([{"matchExpressions": expressions}])
    assert str(found) == "a=b,c in (d,e),f notin (g),h,!i"
    assert (str(LabelSelector()), str(NOTHING)) == ("everything", "nothing")


def test_a_node_selector_speaks_of_itself() -> None:
    assert str(NodeSelector.of({"b": "c", "a": "d"})) == "a=d,b=c"
    assert str(NodeSelector()) == "every node"
    assert NodeSelector.of({"a": "b"}).matches({"a": "b"})


@pytest.mark.parametrize("value", [{"a": 1}, {"a": "b", "c": None}, ["a"], 7, "a"])
def test_a_malformed_map_of_labels_selects_no_node(value: Any) -> None:
    fields = Fields({"nodeSelector": value})
    found = read_node_selector(fields, "nodeSelector")
    assert not found.matches({"a": "b", "c": "d"})
    assert str(found) == "no node"
    assert fields.problems


def test_a_map_of_labels_is_read() -> None:
    fields = Fields({"nodeSelector": {"a": "b"}, "none": None})
    assert read_node_selector(fields, "nodeSelector") == NodeSelector.of({"a": "b"})
    assert read_node_selector(fields, "none") == NodeSelector()
    assert not fields.problems
