"""Schemas as the operator makes and applies them, tried on small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab.operator.cel_rules import SchemaError
from metallb_lab.operator.schemas import ModuleSchemas, Schema

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]
CONFIG: Document = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 3},
        "deep": {
            "type": "object",
            "default": {},
            "properties": {"name": {"type": "string", "default": "a"}},
        },
        "absent": {"type": "object", "properties": {"name": {"type": "string", "default": "a"}}},
        "list": {
            "type": "array",
            "items": {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}},
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
VALUES: Document = {
    "x-extend": {"schema": "config-values.yaml"},
    "type": "object",
    "properties": {
        "internal": {
            "type": "object",
            "default": {},
            "x-required-for-helm": ["found"],
            "properties": {"found": {"type": "string"}},
        }
    },
}


def loaded(directory: Path, config: Document = CONFIG, values: Document = VALUES) -> ModuleSchemas:
    (directory / "config-values.yaml").write_text(yaml.safe_dump(config))
    (directory / "values.yaml").write_text(yaml.safe_dump(values))
    return ModuleSchemas.load(directory, "m")


def said(schema: Schema, value: Any, old: Any = None) -> list[str]:
    return [str(fault) for fault in schema.faults(value, old)]


def ruled(expression: str, message: str = "no") -> Schema:
    rules = [{"expression": expression, "message": message}]
    return Schema({"type": "object", "x-deckhouse-validations": rules}, "m")


def test_the_values_have_the_settings_the_internal_part_and_the_registry(tmp_path: Path) -> None:
    schemas = loaded(tmp_path)
    value = {"size": 4, "internal": {"found": "x"}, "registry": {"base": "b"}}
    assert said(schemas.values, value) == []
    assert said(schemas.config, value) == [
        "m.internal in body is a forbidden property",
        "m.registry in body is a forbidden property",
    ]


def test_unknown_names_are_refused_at_every_level(tmp_path: Path) -> None:
    value = {"deep": {"title": "a"}, "list": [{"off": True}], "labels": {"any": "name"}, "more": 1}
    assert said(loaded(tmp_path).config, value) == [
        "m.more in body is a forbidden property",
        "m.deep.title in body is a forbidden property",
        "m.list.0.off in body is a forbidden property",
    ]


def test_what_helm_needs_is_required_only_for_helm(tmp_path: Path) -> None:
    schemas = loaded(tmp_path)
    assert said(schemas.values, {"internal": {}}) == []
    assert said(schemas.helm, {"internal": {}}) == ["m.internal.found in body is required"]


def test_required_of_both_files_counts(tmp_path: Path) -> None:
    schemas = loaded(tmp_path, CONFIG | {"required": ["size"]}, VALUES | {"required": ["internal"]})
    assert said(schemas.config, {}) == ["m.size in body is required"]
    assert len(said(schemas.values, {})) == 2


def test_defaults_are_filled_in_where_the_parent_is_there(tmp_path: Path) -> None:
    given: Document = {"list": [{}, {"on": False}]}
    assert loaded(tmp_path).config.with_defaults(given) == {
        "size": 3,
        "deep": {"name": "a"},
        "list": [{"on": True}, {"on": False}],
    }
    assert given == {"list": [{}, {"on": False}]}


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 5, 'm in body must be of type string: "integer"'),
        ({"type": "string"}, None, 'm in body must be of type string: "null"'),
        ({"type": "object"}, [], 'm in body must be of type object: "array"'),
        ({"type": "integer"}, 0.5, 'm in body must be of type integer: "number"'),
        ({"type": "integer"}, True, 'm in body must be of type integer: "boolean"'),
        ({"type": "array"}, {}, 'm in body must be of type array: "object"'),
        ({"enum": ["A", "B"]}, "C", "m in body should be one of [A B]"),
        ({"pattern": "^a$"}, "b", "m in body should match '^a$'"),
        ({"minimum": 2}, 1, "m in body should be greater than or equal to 2"),
        ({"maximum": 2}, 3, "m in body should be less than or equal to 2"),
        ({"minLength": 2}, "a", "m in body should be at least 2 chars long"),
        ({"maxLength": 2}, "aaa", "m in body should be at most 2 chars long"),
        ({"minItems": 1}, [], "m in body should have at least 1 items"),
        ({"maxItems": 1}, [1, 2], "m in body should have at most 1 items"),
        ({"minProperties": 1}, {}, "m in body should have at least 1 properties"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "m in body should have at most 1 properties"),
        ({"uniqueItems": True}, [1, 1], "m in body shouldn't contain duplicates"),
        ({"anyOf": [{"type": "string"}]}, 5, '"m" must validate at least one schema (anyOf)'),
    ],
)
def test_faults_are_worded_as_the_operator_words_them(
    schema: Document, value: Any, message: str
) -> None:
    assert said(Schema(schema, "m"), value) == [message]


def test_a_whole_number_may_be_written_as_a_double() -> None:
    assert said(Schema({"type": "integer"}, "m"), 5.0) == []


def test_the_end_of_a_pattern_is_the_end_of_the_text() -> None:
    assert said(Schema({"pattern": "^a$"}, "m"), "a\n")
    assert said(Schema({"pattern": "^a$"}, "m"), "a") == []


def test_a_wrong_type_is_told_once() -> None:
    schema = Schema({"type": "string", "enum": ["A"]}, "m")
    assert said(schema, 5) == ['m in body must be of type string: "integer"']


def test_a_keyword_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(SchemaError, match="multipleOf"):
        said(Schema({"multipleOf": 2}, "m"), 3)


# ---------------------------------------------------------------- x-deckhouse-validations


def test_a_rule_says_its_message() -> None:
    assert said(ruled("self.a > self.b", "a must be more"), {"a": 1, "b": 2}) == ["a must be more"]
    assert said(ruled("self.a > self.b"), {"a": 2, "b": 1}) == []


def test_a_rule_that_meets_a_missing_key_is_skipped() -> None:
    assert said(ruled("self.a > 1"), {"b": 2}) == []


def test_every_number_is_a_double() -> None:
    assert said(ruled("self.a * self.b <= 6"), {"a": 2, "b": 3}) == []
    (message,) = said(ruled("self.a * 2 <= 6"), {"a": 2})
    assert message.startswith("no: ")
    (message,) = said(ruled("self.a[0] * 2 <= 6"), {"a": [2]})
    assert message.startswith("no: ")


def test_rules_about_a_change_are_asked_only_of_a_change() -> None:
    schema = ruled("self.a >= oldSelf.a", "a must not fall")
    assert said(schema, {"a": 1}) == []
    assert said(schema, {"a": 1}, {"a": 2}) == ["a must not fall"]
    assert said(schema, {"a": 2}, {"a": 1}) == []


def test_rules_are_looked_for_through_properties_only() -> None:
    rules = [{"expression": "false", "message": "no"}]
    below = {"type": "object", "x-deckhouse-validations": rules}
    properties = {"inside": below, "list": {"type": "array", "items": below}}
    schema = Schema({"type": "object", "properties": properties}, "m")
    assert said(schema, {"inside": {}, "list": [{}]}) == ["no"]
    assert said(schema, {"list": [{}]}) == []
    (fault,) = schema.faults({"inside": {}})
    assert fault.path == ("inside",)
    assert fault.rule == ("properties", "inside", "x-deckhouse-validations", 0)


def test_rules_wait_until_the_schema_is_content() -> None:
    rules = [{"expression": "self.a > 1", "message": "no"}]
    properties = {"a": {"type": "integer"}}
    schema = Schema(
        {"type": "object", "properties": properties, "x-deckhouse-validations": rules}, "m"
    )
    assert said(schema, {"a": "0"}) == ['m.a in body must be of type integer: "string"']


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("isIP(self.a)", "isIP"),
        ("self.a.lowerAscii() == 'a'", "lowerAscii"),
        ("self.a.trim() == 'a'", "trim"),
        ("self.a ==", "self.a =="),
    ],
)
def test_an_expression_that_the_operator_cannot_compile_is_refused(
    expression: str, words: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        ruled(expression)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (CONFIG | {"type": "array"}, VALUES, "must be of type object"),
        (CONFIG, VALUES | {"x-extend": {"schema": "other.yaml"}}, "not other.yaml"),
        (CONFIG | {"x-config-version": "3"}, VALUES, "is not a version"),
        (CONFIG | {"x-config-version": 0}, VALUES, "is not a version"),
        (CONFIG | {"properties": {"registry": {"type": "object"}}}, VALUES, "declared by"),
        (CONFIG | {"x-deckhouse-validations": [{"rule": "true"}]}, VALUES, "wants expression"),
    ],
)
def test_a_file_that_the_operator_would_not_take_is_refused(
    tmp_path: Path, config: Document, values: Document, words: str
) -> None:
    with pytest.raises(SchemaError, match=words):
        loaded(tmp_path, config, values)


def test_values_need_not_extend_the_settings(tmp_path: Path) -> None:
    alone = loaded(tmp_path, values={"type": "object", "properties": {}})
    assert said(alone.values, {"size": 1}) == ["m.size in body is a forbidden property"]
