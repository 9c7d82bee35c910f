"""Structural schemas and CEL without a server: laws, and what is refused before it can mislead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_lab.apiserver.documents import copied
from metallb_lab.apiserver.errors import ApiError
from metallb_lab.apiserver.schema import cel, cel_functions, cel_source
from metallb_lab.apiserver.schema.checks import schema_errors
from metallb_lab.apiserver.schema.structural import (
    apply_defaults,
    drop_nulls,
    prune,
    read_node,
    read_root,
)
from metallb_lab.apiserver.schema.validation import validate

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "default": 1},
        "b": {"type": "string", "nullable": True},
        "c": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"a": {
            "type": "boolean"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        "f": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}  # fmt: skip
SCALARS = st.one_of(st.none(), st.integers(0, 3), st.text("ab", max_size=2), st.booleans())
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from("abclmfz"), inner, max_size=4),
    ),
    max_leaves=15,
)
OBJECTS = st.dictionaries(st.sampled_from("abclmfz"), JSON, max_size=6)


@given(OBJECTS)
def test_reading_twice_is_reading_once(value: dict[str, Any]) -> None:
    node = read_node(SCHEMA)

    def read(document: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = copied(document)
        drop_nulls(shown, node)
        apply_defaults(shown, node)
        prune(shown, node)
        return shown

    once = read(value)
    assert read(once) == once
    assert "z" not in once
    assert once["a"] is not None


@given(OBJECTS)
def test_pruning_tells_what_it_takes(value: dict[str, Any]) -> None:
    node = read_node(SCHEMA)
    found: list[str] = []
    shown = copied(value)
    prune(shown, node, "", found)
    assert (shown == value) is (not found)


@given(OBJECTS)
def test_what_did_not_change_is_not_complained_about(value: dict[str, Any]) -> None:
    node = read_node(SCHEMA)
    assert validate(value, node, "", copied(value)) == []


def test_formats_that_would_only_be_pretended_are_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "creditcard"}}}
    with pytest.raises(ApiError) as refused:
        schema_errors(schema, "schema")
    assert refused.value.code == 501


# ---------------------------------------------------------------- CEL


def rule_faults(rule: str, **properties: Any) -> list[str]:
    schema = {"type": "object", "properties": properties,
              "x-kubernetes-validations": [{"rule": rule}]}  # fmt: skip
    found: list[Any] = []
    cel.compile_rules(read_root(schema), "schema", found)
    return [str(fault) for fault in found]


def run(rule: str, value: Any, **properties: Any) -> list[str]:
    schema = {"type": "object", "properties": properties,
              "x-kubernetes-validations": [{"rule": rule}]}  # fmt: skip
    found: list[Any] = []
    tree = cel.compile_rules(read_root(schema), "schema", found)
    assert found == []
    return [str(fault) for fault in cel.evaluate(tree, value, "spec")]


@pytest.mark.parametrize(
    "rule",
    [
        "quantity(self.a).isGreaterThan(quantity('1'))",
        "url(self.a).getHost() == 'x'",
        "self.a.reverse() == 'x'",
        "self.a.format(['x']) == 'x'",
        "'%s'.format([self.a]) == 'x'",
        "format.dns1123Label().validate(self.a).hasValue()",
        "cel.bind(x, self.a, x == 'x')",
        "sets.contains([1], [1])",
        "math.greatest(1, 2) == 2",
        "self.?a.orValue('x') == 'x'",
        "max(1, 2) == 2",
        "semver(self.a).major() == 1",
    ],
)
def test_functions_that_are_not_ours_make_a_crd_be_refused(rule: str) -> None:
    assert rule_faults(rule, a={"type": "string"})


def test_sources_with_comments_strings_and_odd_spaces() -> None:
    text = {"type": "string"}
    assert run("self.a == 'size(' // nope(\n && !(self.a.size()!=5)", {"a": "size("}, a=text) == []
    assert run('self . a . startsWith ( "s" )', {"a": "size("}, a=text) == []
    assert run("""self.a == r'\\d' || self.a == "x\\"y" """, {"a": "\\d"}, a=text) == []
    assert cel_source.free_names("[1].map(x, x + y)") == {"y"}


def test_numbers_are_what_the_schema_says() -> None:
    assert run("self.n / 2.0 == 2.5", {"n": 5}, n={"type": "number"}) == []
    assert run("self.n / 2 == 2", {"n": 5}, n={"type": "integer"}) == []


def test_escapes() -> None:
    for name, spelled in (
        ("a-b", "a__dash__b"), ("a.b", "a__dot__b"), ("a/b", "a__slash__b"),
        ("a__b", "a__underscores__b"), ("in", "__in__"), ("plain", "plain"),
    ):  # fmt: skip
        assert cel_source.escape(name) == spelled


def test_the_library_is_loaded_without_its_shell() -> None:
    """``import cel`` would bring a terminal user interface and half a second."""
    assert cel.library().compile("1 + 1").execute({}) == 2


@given(st.text(max_size=8), st.text("ab", max_size=3))
def test_string_functions_agree_with_each_other(text: str, part: str) -> None:
    at = cel_functions.index_of(text, part)
    assert at == text.find(part)
    if at >= 0 and part:
        assert cel_functions.substring(text, at, at + len(part)) == part
        assert cel_functions.join(cel_functions.split(text, part), part) == text
    assert cel_functions.size(text) == len(text)


def test_string_functions_at_their_edges() -> None:
    assert cel_functions.split("a,b,c", ",", 2) == ["a", "b,c"]
    assert cel_functions.split("a", ",", 0) == []
    assert cel_functions.split("abc", "", 2) == ["a", "bc"]
    assert cel_functions.char_at("ab", 2) == ""
    with pytest.raises(ValueError, match="range"):
        cel_functions.char_at("ab", 3)
    with pytest.raises(ValueError, match="range"):
        cel_functions.substring("ab", 2, 1)


def test_addresses() -> None:
    for good in ("1.2.3.4", "::1", "2001:db8::1"):
        assert cel_functions.FUNCTIONS["isIP"](good)
    for bad in ("", "1.2.3", "fe80::1%eth0", "::ffff:1.2.3.4", "01.2.3.4", "1.2.3.4/8"):
        assert not cel_functions.FUNCTIONS["isIP"](bad)
    assert cel_functions.contains_cidr("10.0.0.0/8", "10.1.0.0/16")
    assert not cel_functions.contains_cidr("10.0.0.0/8", "fd00::/8")
    assert cel_functions.masked("10.1.2.3/8") == "10.0.0.0/8"
    assert cel_functions.is_global_unicast("10.0.0.1")
    assert not cel_functions.is_global_unicast("169.254.0.1")
