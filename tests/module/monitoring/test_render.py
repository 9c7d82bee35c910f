"""Rules and dashboards reach the cluster as they are in the tree, where somebody can take them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from module.monitoring.boards import FOLDER
from module.monitoring.rules import ROOT, RULES, check, read_groups
from module.templates.rendering import NAMESPACE, Case, Chart, Manifest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return Chart(tmp_path_factory.mktemp("chart")).render(Case(bgp=True))


def _of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] == kind}


def test_each_file_of_rules_is_an_object(rendered: list[Manifest], tmp_path: Path) -> None:
    found = _of_kind(rendered, "PrometheusRule")
    files = {f"metallb-{path.stem}": path for path in RULES.glob("*.yaml")}
    assert len(files) >= 7
    assert found.keys() == files.keys()
    for name, item in found.items():
        assert item["metadata"]["namespace"] == NAMESPACE
        labels = item["metadata"]["labels"]
        assert (labels["prometheus"], labels["component"]) == ("main", "rules")
        groups: list[dict[str, Any]] = item["spec"]["groups"]
        assert groups == read_groups(files[name])
        assert check(groups, tmp_path).returncode == 0


def test_each_dashboard_is_an_object(rendered: list[Manifest]) -> None:
    found = _of_kind(rendered, "GrafanaDashboardDefinition")
    files = {f"d8-metallb-{p.parent.name}-{p.stem}": p for p in FOLDER.glob("*/*.json")}
    assert len(files) == 3
    assert found.keys() == files.keys()
    for name, item in found.items():
        assert "namespace" not in item["metadata"]
        assert item["spec"]["folder"] == "Kubernetes Cluster"
        assert json.loads(item["spec"]["definition"]) == json.loads(files[name].read_text())


def test_the_template_has_nothing_but_the_two_includes() -> None:
    lines = (ROOT / "templates/monitoring.yaml").read_text().splitlines()
    names = ("helm_lib_grafana_dashboard_definitions", "helm_lib_prometheus_rules")
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        assert line.startswith('{{- include "' + name + '" ')


def test_a_platform_without_prometheus_gets_none(tmp_path: Path) -> None:
    bare = Chart(tmp_path / "work").render(Case(prometheus=False))
    assert not {"PrometheusRule", "GrafanaDashboardDefinition"} & {item["kind"] for item in bare}
