from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lab.operator.modules import CONFIG_VALUES
from metallb_lab import tools
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.errors import ModuleError, SettingsRefusedError
from metallb_lab.operator.module import load_module
from metallb_lab.operator.platform import MODULE_CONFIG_CRD
from metallb_lab.operator.settings import (
    MODULE_CONFIGS,
    ModuleConfig,
    SettingsReader,
    read_module_config,
    write_module_config,
)

if TYPE_CHECKING:
    from lab.operator.modules import ModuleTree
    from metallb.kube.client import ApiClient

NOTES = {"en": "do it", "ru": "сделайте"}


def _reader(tree: ModuleTree) -> SettingsReader:
    return SettingsReader(load_module(tree.path), tools.cache_dir() / "gojq-is-not-needed")


def _faults(tree: ModuleTree, settings: Any, version: int | None = 1) -> list[str]:
    with pytest.raises(SettingsRefusedError) as refusal:
        _reader(tree).read(ModuleConfig(settings=settings, version=version))
    return refusal.value.faults


def test_settings_that_are_right(tree: ModuleTree) -> None:
    reader = _reader(tree)
    assert reader.read(ModuleConfig(settings={"replicas": 3}, version=1)) == {"replicas": 3}
    assert reader.read(ModuleConfig()) == {}
    assert reader.read(ModuleConfig(settings={})) == {}


def test_settings_that_are_wrong_say_where_and_why(tree: ModuleTree) -> None:
    assert _faults(tree, {"replicas": 9, "colour": "red"}) == [
        "helloWorld.colour in body is a forbidden property",
        "helloWorld.replicas in body should be less than or equal to 5",
    ]
    assert _faults(tree, {"replicas": "many"}) == [
        'helloWorld.replicas in body must be of type integer: "string"'
    ]


def test_settings_without_a_version_or_of_an_unknown_one(tree: ModuleTree) -> None:
    assert "spec.version is required" in _faults(tree, {"replicas": 1}, None)[0]
    assert "version 2 is not known" in _faults(tree, {"replicas": 1}, 2)[0]


@pytest.mark.real
def test_old_settings_are_converted_before_they_are_judged(tree: ModuleTree) -> None:
    tree.write("openapi/config-values.yaml", CONFIG_VALUES | {"x-config-version": 2})
    conversion = {"version": 2, "conversions": [".replicas = .count | del(.count)"]}
    tree.write("openapi/conversions/v2.yaml", conversion | {"description": NOTES})
    reader = SettingsReader(load_module(tree.path), tools.find("gojq"))
    old = ModuleConfig(settings={"count": 4}, version=1)
    assert reader.read(old) == {"replicas": 4}
    assert old.settings == {"count": 4}, "what the user wrote stays"
    assert reader.read(ModuleConfig(settings={"replicas": 4}, version=2)) == {"replicas": 4}
    with pytest.raises(SettingsRefusedError, match="less than or equal to 5"):
        reader.read(ModuleConfig(settings={"count": 9}, version=1))


def test_conversions_must_end_where_the_schema_is(tree: ModuleTree) -> None:
    tree.write("openapi/config-values.yaml", CONFIG_VALUES | {"x-config-version": 2})
    with pytest.raises(ModuleError, match="conversions end at version 1"):
        _reader(tree)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ModuleConfig(enabled=False)),
        ({}, ModuleConfig(enabled=False)),
        ({"spec": {"enabled": True}}, ModuleConfig()),
        (
            {"spec": {"enabled": True, "version": 2, "settings": {"a": 1}}},
            ModuleConfig(settings={"a": 1}, version=2),
        ),
    ],
)
def test_reading_an_object(value: Any, expected: ModuleConfig) -> None:
    assert read_module_config(value) == expected


async def test_writing_an_object(client: ApiClient) -> None:
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    for config in (ModuleConfig(settings={"a": 1}, version=1), ModuleConfig(enabled=False)):
        version = await write_module_config(client, "m", config)
        found = await client.get(MODULE_CONFIGS, "m")
        assert found["metadata"]["resourceVersion"] == version
        assert read_module_config(found) == config
