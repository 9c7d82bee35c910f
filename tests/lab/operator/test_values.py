from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.operator.errors import PatchRefusedError
from metallb_lab.operator.schemas import ModuleSchemas
from metallb_lab.operator.values import ModuleValues, compacted

if TYPE_CHECKING:
    from lab.operator.modules import ModuleTree

KEY = "helloWorld"
NAMES = f"/{KEY}/internal/names"


@pytest.fixture
def values(tree: ModuleTree) -> ModuleValues:
    schemas = ModuleSchemas.load(tree.path / "openapi", KEY)
    return ModuleValues(KEY, schemas, {"discovery": {"x": 1}})


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def test_layers_from_defaults_to_patches(values: ModuleValues) -> None:
    registry = {"base": "r"}
    values.set_settings({"replicas": 3}, registry)
    assert values.values() == {
        "global": {"discovery": {"x": 1}},
        KEY: {
            "replicas": 3,
            "mood": "calm",
            "registry": registry,
            "internal": {"names": [], "count": 0},
        },
    }
    assert values.config_values() == {"global": {}, KEY: {"replicas": 3}}
    assert values.patch([_add(f"/{KEY}/mood", "merry")])
    assert values.values()[KEY]["mood"] == "merry", "a patch is above settings"
    assert values.settings == {"replicas": 3}


def test_a_patch_tells_whether_it_changed_something(values: ModuleValues) -> None:
    assert values.patch([_add(NAMES, ["a"])])
    assert not values.patch([_add(NAMES, ["a"])])
    assert values.patch([_remove(NAMES), _add(NAMES, ["a", "b"])])
    assert values.values()[KEY]["internal"]["names"] == ["a", "b"]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "replace", "path": NAMES, "value": []}, "only add and remove"),
        ({"op": "copy", "path": NAMES, "from": "/x"}, "only add and remove"),
        ({**_add(NAMES, []), "colour": "red"}, "unknown keys colour"),
        (_add("/other/x", 1), "only 'helloWorld' accepted"),
        (_add("/helloWorldly/x", 1), "only 'helloWorld' accepted"),
        (_add("/global/x", 1), "only 'helloWorld' accepted"),
        (_add("", {}), "only 'helloWorld' accepted"),
        ({"op": "add", "value": 1}, "only 'helloWorld' accepted"),
        (_remove(f"/{KEY}/internal/needed"), "remove"),
        (_add(f"/{KEY}/none/x", 1), "add"),
        (_add(f"/{KEY}/internal/a/b", 1), "add"),
    ],
)
def test_what_is_refused(values: ModuleValues, operation: dict[str, Any], message: str) -> None:
    before = values.checksum()
    with pytest.raises(PatchRefusedError, match=message):
        values.patch([_add(NAMES, ["x"]), operation])
    assert values.checksum() == before


def test_values_must_satisfy_their_schema(values: ModuleValues) -> None:
    with pytest.raises(PatchRefusedError, match=r"internal\.count in body must be of type integer"):
        values.patch([_add(f"/{KEY}/internal/count", "many")])
    with pytest.raises(PatchRefusedError, match="forbidden property"):
        values.patch([_add(f"/{KEY}/internal/unknown", 1)])
    assert values.values()[KEY]["internal"] == {"names": [], "count": 0}


def test_keys_are_unescaped(tree: ModuleTree) -> None:
    numbers = {"type": "object", "default": {}, "additionalProperties": {"type": "integer"}}
    schema = {
        "x-extend": {"schema": "config-values.yaml"},
        "type": "object",
        "properties": {"map": numbers},
    }
    tree.write("openapi/values.yaml", schema)
    values = ModuleValues(KEY, ModuleSchemas.load(tree.path / "openapi", KEY), {})
    values.patch([_add(f"/{KEY}/map/a~1b~0c", 1)])
    assert values.values()[KEY]["map"] == {"a/b~c": 1}


def test_the_last_operation_of_a_path_stays_and_a_parent_drops_those_below() -> None:
    operations = [
        _add("/m/a", 1),
        _add("/m/a/b", 2),
        _add("/m/ab", 3),
        _add("/m/a", 4),
        _remove("/m/c"),
        _add("/m/c", 5),
    ]
    assert compacted(operations) == [_add("/m/ab", 3), _add("/m/a", 4), _add("/m/c", 5)]


def test_a_kept_removal_does_not_fail_later(values: ModuleValues) -> None:
    values.patch([_remove(NAMES)])
    assert values.values()[KEY]["internal"] == {"count": 0}
    values.patch([_remove(f"/{KEY}/internal")])
    values.patch([_add(f"/{KEY}/internal", {"count": 2})])
    assert values.values()[KEY]["internal"] == {"count": 2}


def test_a_restart_forgets_what_hooks_found(values: ModuleValues) -> None:
    fresh = values.checksum()
    values.patch([_add(NAMES, ["a"])])
    values.forget_patches()
    assert values.checksum() == fresh


def test_what_is_needed_only_for_helm(tree: ModuleTree) -> None:
    schema = {
        "type": "object",
        "x-extend": {"schema": "config-values.yaml"},
        "x-required-for-helm": ["needed"],
        "properties": {"needed": {"type": "string"}},
    }
    tree.write("openapi/values.yaml", schema)
    values = ModuleValues(KEY, ModuleSchemas.load(tree.path / "openapi", KEY), {})
    assert values.faults() == []
    assert [str(fault) for fault in values.helm_faults()] == [
        "helloWorld.needed in body is required"
    ]
    values.patch([_add(f"/{KEY}/needed", "x")])
    assert values.helm_faults() == []
