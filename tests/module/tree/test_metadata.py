"""module.yaml and Chart.yaml: rules `definition-file`, `requirements` and `manager` of dmt."""

from __future__ import annotations

import re

import pytest

from metallb_lab.operator.schemas import ModuleSchemas
from module.tree.tree import ROOT, load

MODULE = load("module.yaml")
CHART = load("Chart.yaml")
KEYS = {
    "name", "namespace", "stage", "weight", "critical", "tags", "subsystems", "descriptions",
    "exclusiveGroup", "requirements", "accessibility", "update", "disable",
}  # fmt: skip
STAGES = {"Experimental", "Preview", "General Availability", "Deprecated"}
EDITIONS = {"_default", "ce", "fe", "ee", "se", "se-plus", "be", "cse"}
BUNDLES = {"Minimal", "Managed", "Default"}


def least(constraint: str) -> tuple[int, ...]:
    found = re.fullmatch(r">= (\d+)\.(\d+)", constraint)
    assert found, constraint
    return tuple(map(int, found.groups()))


def test_definition_file_has_no_unknown_key() -> None:
    assert MODULE.keys() <= KEYS


def test_definition_file_name_survives_the_key_of_the_values() -> None:
    name = MODULE["name"]
    assert re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
    assert len(name) <= 64
    assert MODULE["namespace"] == f"d8-{name}"


def test_definition_file_stage_and_subsystems() -> None:
    assert MODULE["stage"] in STAGES
    assert MODULE["subsystems"] == ["networking"]


def test_definition_file_describes_the_module_in_both_languages() -> None:
    assert MODULE["descriptions"].keys() == {"en", "ru"}
    assert not re.search("[а-яё]", MODULE["descriptions"]["en"])
    assert re.search("[а-яё]", MODULE["descriptions"]["ru"])


def test_definition_file_accessibility() -> None:
    for edition, access in MODULE["accessibility"]["editions"].items():
        assert edition in EDITIONS
        assert access.keys() == {"available", "enabledInBundles"}
        assert set(access["enabledInBundles"]) <= BUNDLES
    assert MODULE["accessibility"]["editions"]["_default"]["enabledInBundles"] == []


def test_disabling_is_confirmed_and_says_what_it_costs() -> None:
    disable = MODULE["disable"]
    assert disable["confirmation"] is True
    assert disable["messages"].keys() == {"en", "ru"}
    assert disable["message"] == disable["messages"]["en"]


def test_requirements_of_what_the_module_uses() -> None:
    assert MODULE["requirements"].keys() <= {"deckhouse", "kubernetes", "modules"}
    deckhouse = least(MODULE["requirements"]["deckhouse"])
    assert deckhouse >= (1, 68)  # a stage
    assert (deckhouse >= (1, 72)) is ("weight" not in MODULE)
    assert least(MODULE["requirements"]["kubernetes"]) >= (1, 31)  # isCIDR in the CRDs


def test_manager_chart_and_module_have_one_name() -> None:
    assert CHART["name"] == MODULE["name"]
    assert CHART["apiVersion"] == "v2"
    assert re.fullmatch(r"\d+\.\d+\.\d+", CHART["version"])


def test_manager_every_library_chart_is_listed() -> None:
    listed = {dependency["name"] for dependency in CHART.get("dependencies", ())}
    charts = (ROOT / "charts").iterdir() if (ROOT / "charts").is_dir() else ()
    assert {re.sub(r"-\d+\.\d+\.\d+\.tgz$", "", path.name) for path in charts} == listed


def test_manager_both_schemas_load() -> None:
    assert ModuleSchemas.load(ROOT / "openapi", MODULE["name"]).config_version == 3


@pytest.mark.parametrize("name", ["release.yaml", "enabled", "package.yaml"])
def test_what_is_old_or_new_is_not_there(name: str) -> None:
    assert not (ROOT / name).exists()
