"""The files of `openapi/` by themselves: what the form, the linter and the documentation need."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab.operator.schemas import ModuleSchemas, Schema, closed
from metallb_speaker.io.links import EXCLUDED

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]

OPENAPI = Path(__file__).parents[3] / "openapi"
CYRILLIC = re.compile("[а-яёА-ЯЁ]")
DEPRECATED = ("bgpPeers", "addressPools", "bgpCommunities")
LOWER_CASE_ENUMS = {"addressPools[].protocol"}
"""Words of version 1 and 2; .dmtlint.yaml leaves the same out."""


def load(name: str) -> Document:
    document: Document = yaml.load((OPENAPI / name).read_text(), Loader=yaml.CSafeLoader)
    return document


CONFIG, VALUES, RUSSIAN = map(
    load, ("config-values.yaml", "values.yaml", "doc-ru-config-values.yaml")
)
SCHEMAS = ModuleSchemas.load(OPENAPI, "metallb")


def levels(schema: Document, path: str = "") -> Iterator[tuple[str, Document]]:
    """Every level below the root with its path: `tolerations[].key`."""
    for name, below in (schema.get("properties") or {}).items():
        where = f"{path}.{name}" if path else name
        yield where, below
        yield from levels(below, where)
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(below := schema.get(word), dict):
            yield path + mark, below
            yield from levels(below, path + mark)


BOTH = [*levels(CONFIG), *levels(VALUES)]


def test_a_setting_has_a_type_and_says_what_it_is() -> None:
    for path, level in BOTH:
        assert "type" in level or "anyOf" in level, path
        assert level["description"].strip().endswith("."), path
        assert not CYRILLIC.search(level["description"]), path


def test_an_object_with_settings_is_there_by_default() -> None:
    for path, level in BOTH:
        if level.get("type") == "object" and "[]" not in path and "properties" in level:
            assert level["default"] == {}, path


def test_what_a_user_writes_is_limited() -> None:
    for path, level in levels(CONFIG):
        is_legacy = path.startswith(DEPRECATED)
        match level.get("type"):
            case "integer":
                assert "minimum" in level, path
            case "string" if path != "bgpPeers[].password":
                assert level.keys() & {"enum", "pattern"}, path
            case "array" if not is_legacy:
                assert "maxItems" in level, path
            case "object" if isinstance(level.get("additionalProperties"), dict) and not is_legacy:
                assert "maxProperties" in level, path


def test_patterns_match_the_whole() -> None:
    for path, level in BOTH:
        pattern = level.get("pattern", "^$")
        assert pattern.startswith("^"), path
        assert pattern.endswith("$"), path


def test_words_of_an_enum_begin_with_a_capital() -> None:
    for path, level in BOTH:
        words = level.get("enum", ())
        is_fine = all(re.fullmatch("[A-Z][A-Za-z0-9]*", word) for word in words)
        assert is_fine is (path not in LOWER_CASE_ENUMS), path


def test_defaults_and_examples_are_valid() -> None:
    for path, level in BOTH:
        schema = Schema(closed(copy.deepcopy(level)), path)
        default = [level["default"]] if "default" in level else []
        for value in [*level.get("x-examples", ()), *default]:
            assert list(map(str, schema.faults(value))) == []


def test_a_setting_shows_an_example() -> None:
    for path, level in BOTH:
        assert path.endswith(("[]", "{}")) or path == "internal" or level["x-examples"], path


def test_examples_of_the_whole_are_valid() -> None:
    for example in CONFIG["x-examples"]:
        assert SCHEMAS.config.faults(example) == []


def test_high_availability_has_no_default() -> None:
    assert "default" not in CONFIG["properties"]["highAvailability"]


def test_names_of_other_systems_settings_are_not_used() -> None:
    assert not CONFIG["properties"].keys() & {"internal", "registry", "global", "enabled"}


@pytest.mark.parametrize("name", DEPRECATED)
def test_old_lists_are_marked_and_empty_by_default(name: str) -> None:
    level = CONFIG["properties"][name]
    assert level["x-doc-deprecated"] is True
    assert not level["default"]
    assert level["description"].startswith("**Deprecated**")


def test_everything_that_hooks_find_has_a_default_or_is_awaited_by_helm() -> None:
    for name, level in VALUES["properties"]["internal"]["properties"].items():
        assert "default" in level, name
        for below in level.get("properties") or ():
            assert "default" in level["properties"][below] or below in level["x-required-for-helm"]


def test_every_rule_has_a_message_that_begins_with_its_place() -> None:
    for path, level in [("", CONFIG), *levels(CONFIG)]:
        for rule in level.get("x-deckhouse-validations", ()):
            begin = path or "tolerations"
            assert re.match(rf"{re.escape(begin)}[:.]", rule["message"]), rule["message"]


def test_the_excluded_interfaces_are_those_that_the_speaker_excludes() -> None:
    items = CONFIG["properties"]["l2"]["properties"]["excludedInterfaces"]["default"]
    prefixes = {item.removesuffix("*") + ("" if item.endswith("*") else "$") for item in items}
    assert prefixes == set(EXCLUDED.removeprefix("^(").removesuffix(")").split("|"))


# ---------------------------------------------------------------- the Russian twin


def test_the_twin_describes_the_same_settings() -> None:
    described = {path for path, level in levels(CONFIG) if "description" in level}
    translated = {path for path, level in levels(RUSSIAN) if "description" in level}
    assert described == translated


def test_the_twin_holds_nothing_but_descriptions() -> None:
    words = {"description", "properties", "items", "additionalProperties"}
    assert RUSSIAN.keys() == {"properties"}
    for path, level in levels(RUSSIAN):
        assert level.keys() <= words, path


def test_the_twin_is_russian_and_quotes_the_same_words() -> None:
    english = dict(levels(CONFIG))
    for path, level in levels(RUSSIAN):
        assert CYRILLIC.search(level["description"]), path
        quoted = set(re.findall("`([^`]+)`", english[path]["description"]))
        assert quoted == set(re.findall("`([^`]+)`", level["description"])), path
