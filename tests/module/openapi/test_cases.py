"""`openapi-case-tests.yaml`: what the schemas take and refuse, and that no rule is untried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab.operator.cel_rules import RULES
from metallb_lab.operator.schemas import ModuleSchemas, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENAPI = Path(__file__).parents[3] / "openapi"
SCHEMAS = ModuleSchemas.load(OPENAPI, "metallb")
SCHEMA_OF = {"configValues": SCHEMAS.config, "values": SCHEMAS.values, "helmValues": SCHEMAS.helm}
CASES = yaml.safe_load((OPENAPI / "openapi-case-tests.yaml").read_text())
SIMPLE_RULES = frozenset({
    "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "anyOf",
})  # fmt: skip

Rule = tuple[str | int, ...]
REGISTRY = ("properties", "registry")


def cases(sign: str) -> list[Any]:
    return [
        pytest.param(kind, case, id=f"{kind}-{index}")
        for kind, found in CASES[sign].items()
        for index, case in enumerate(found)
    ]


def rules_of(schema: dict[str, Any], path: Rule = ()) -> Iterator[Rule]:
    """Every rule of a schema, with each name for `required`; an enum makes the type no rule."""
    if "type" in schema and "enum" not in schema:
        yield (*path, "type")
    yield from ((*path, word) for word in schema if word in SIMPLE_RULES)
    yield from ((*path, RULES, index) for index, _ in enumerate(schema.get(RULES, ())))
    yield from ((*path, "required", name) for name in schema.get("required", ()))
    if schema.get("type") == "object" and schema["additionalProperties"] is False:
        yield (*path, "additionalProperties")
    for name, below in (schema.get("properties") or {}).items():
        yield from rules_of(below, (*path, "properties", name))
    for word in ("items", "additionalProperties"):
        if isinstance(below := schema.get(word), dict):
            yield from rules_of(below, (*path, word))


def broken(schema: Schema, value: dict[str, Any]) -> list[Rule]:
    """The rules that a value breaks, with the missing name for `required`."""
    return [
        (*fault.rule, str(fault).partition(" ")[0].rpartition(".")[2])
        if fault.rule[-1] == "required"
        else fault.rule
        for fault in schema.faults(schema.with_defaults(value))
    ]


@pytest.mark.parametrize(("kind", "case"), cases("positive"))
def test_positive(kind: str, case: dict[str, Any]) -> None:
    schema = SCHEMA_OF[kind]
    assert list(map(str, schema.faults(case))) == []
    assert list(map(str, schema.faults(schema.with_defaults(case)))) == []


@pytest.mark.parametrize(("kind", "case"), cases("negative"))
def test_negative_breaks_one_rule(kind: str, case: dict[str, Any]) -> None:
    assert len(broken(SCHEMA_OF[kind], case)) == 1, broken(SCHEMA_OF[kind], case)


@pytest.mark.parametrize("kind", ["configValues", "values"])
def test_no_rule_is_untried(kind: str) -> None:
    schema = SCHEMA_OF[kind]
    tried = {rule for case in CASES["negative"][kind] for rule in broken(schema, case)}
    skipped: set[Rule] = {("type",)}
    if kind == "values":
        added = {rule for rule in rules_of(schema.document) if rule[:2] == REGISTRY}
        skipped |= set(rules_of(SCHEMAS.config.document)) | added
    untried = [rule for rule in rules_of(schema.document) if rule not in tried | skipped]
    assert untried == []


def test_settings_that_are_refused_by_the_form_are_refused_by_the_values_too() -> None:
    for case in CASES["negative"]["configValues"]:
        if "internal" not in case:
            assert SCHEMAS.values.faults(case), case


def test_rules_hold_for_whole_numbers_and_for_doubles() -> None:
    for case in CASES["negative"]["configValues"]:
        assert SCHEMAS.config.faults(doubled(case)), case


def doubled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: doubled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [doubled(inner) for inner in value]
    return float(value) if type(value) is int else value


def test_messages_name_the_place_and_the_reason() -> None:
    settings = {
        "logLevel": "Loud",
        "l2": {"livenessMultiplier": 99, "holdDownSeconds": "2"},
        "nodeSelectr": {},
        "bgpPeers": [{"peer-address": "a", "peer-asn": 1, "my-asn": 1}],
    }
    assert [str(fault) for fault in SCHEMAS.config.faults(settings)] == [
        "metallb.nodeSelectr in body is a forbidden property",
        r"metallb.bgpPeers.0.peer-address in body should match '^[0-9]{1,3}(\.[0-9]{1,3}){3}$'",
        'metallb.l2.holdDownSeconds in body must be of type integer: "string"',
        "metallb.l2.livenessMultiplier in body should be less than or equal to 20",
        "metallb.logLevel in body should be one of [Debug Info Warning Error]",
    ]


def test_helm_is_not_reached_before_the_hooks_have_made_a_certificate() -> None:
    values = SCHEMAS.values.with_defaults({})
    assert SCHEMAS.values.faults(values) == []
    assert [str(fault) for fault in SCHEMAS.helm.faults(values)] == [
        "metallb.internal.webhookCert.ca in body is required",
        "metallb.internal.webhookCert.crt in body is required",
        "metallb.internal.webhookCert.key in body is required",
    ]
