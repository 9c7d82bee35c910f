"""A user's settings on their way in: ModuleConfig, versions, schema (deckhouse-platform.md §3.6).

Settings without a version are refused. Settings of an older version are converted in memory, by
the module's own programs; what the user wrote is not written anew (§1.5). Then the schema of the
settings decides (§3.2): what it refuses changes nothing that runs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.kube.client import Resource
from metallb.kube.errors import AlreadyExistsError
from metallb_lab.operator.conversions import ConversionError, Conversions
from metallb_lab.operator.errors import ModuleError, SettingsRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from metallb.kube.client import ApiClient
    from metallb_lab.operator.module import Module

Document = dict[str, Any]

MODULE_CONFIGS = Resource("deckhouse.io", "v1alpha1", "moduleconfigs", is_namespaced=False)


@dataclass(frozen=True, slots=True)
class ModuleConfig:
    """What a user says about a module."""

    enabled: bool = True
    settings: Document | None = None
    version: int | None = None

    def to_object(self, name: str) -> Document:
        """Give the object."""
        spec = {"enabled": self.enabled, "version": self.version, "settings": self.settings}
        return {
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "ModuleConfig",
            "metadata": {"name": name},
            "spec": {key: value for key, value in spec.items() if value is not None},
        }


def read_module_config(value: Document | None) -> ModuleConfig:
    """Read an object; an absent one says that the module is off."""
    spec = (value or {}).get("spec") or {}
    return ModuleConfig(bool(spec.get("enabled")), spec.get("settings"), spec.get("version"))


class SettingsReader:
    """Makes settings of the current version of what a user wrote."""

    def __init__(self, module: Module, gojq: Path) -> None:
        self._schemas = module.schemas
        self._conversions = Conversions.load(module.directory / "openapi" / "conversions", gojq)
        ends, wanted = self._conversions.latest, self._schemas.config_version
        if ends != wanted:
            raise ModuleError(f"conversions end at version {ends}, x-config-version is {wanted}")

    def read(self, config: ModuleConfig, old: Document | None = None) -> Document:
        """Convert and judge; `old` are the settings in force. Raises SettingsRefusedError."""
        if not config.settings:
            return {}
        if config.version is None:
            raise SettingsRefusedError(["spec.version is required when spec.settings are given"])
        try:
            settings = self._conversions.apply(copy.deepcopy(config.settings), config.version)
        except ConversionError as error:
            raise SettingsRefusedError([str(error)]) from error
        faults = self._schemas.config.faults(settings, old)
        if faults:
            raise SettingsRefusedError([str(fault) for fault in faults])
        return settings


async def write_module_config(client: ApiClient, name: str, config: ModuleConfig) -> str:
    """Write the object; gives the version at which it is so."""
    made = config.to_object(name)
    try:
        answer = await client.create(MODULE_CONFIGS, made)
    except AlreadyExistsError:
        present = await client.get(MODULE_CONFIGS, name)
        made["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"]
        answer = await client.replace(MODULE_CONFIGS, name, made)
    return str(answer["metadata"]["resourceVersion"])
