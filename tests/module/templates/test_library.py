"""The library chart gives what Deckhouse's is documented to give: `library.yaml` says what.

Rendered by the real Helm, both versions, from a chart of another name with whatever is in
`charts/`. The rules of this project's own chart are in the other files.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab.operator.platform import merged
from module.templates.rendering import HELMS, ROOT, RenderError, helm, parse

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

CASES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "tests/module/templates/library.yaml").read_text()
)
PLAIN = [case for case in CASES if not {"files", "refuses"} & case.keys()]
OURS = ROOT / "charts/deckhouse_lib_helm/templates"
VALUES: dict[str, Any] = {
    "global": {
        "enabledModules": [],
        "clusterIsBootstrapped": True,
        "clusterConfiguration": {},
        "discovery": {"d8SpecificNodeCountByRole": {}},
        "modules": {"placement": {}},
        "internal": {"modules": {"kubeRBACProxyCA": {"cert": "first line\nsecond line\n"}}},
        "modulesImages": {
            "registry": {"base": "registry.example.com/deckhouse"},
            "digests": {
                "common": {"kubeRbacProxy": "sha256:dddd"},
                "myModule": {"speaker": "sha256:eeee", "myTool": "sha256:ffff"},
            },
        },
    },
    "myModule": {},
}


Texts = dict[int, str]
"""Results by the identity of their cases."""


def _name(case: dict[str, Any]) -> str:
    return f"{case['template'].removeprefix('helm_lib_')[-60:]}"


INCLUDE = """
{{- with dict "Values" (.Files.Get "case.json" | fromJson) "Chart" .Chart "Files" .Files
  "Template" .Template "Capabilities" .Capabilities "Release" .Release }}
text: {{ include NAME ARGUMENT | toJson }}
{{- end }}
"""


def _make_chart(work: Path, cases: list[dict[str, Any]]) -> Path:
    """Make a chart with a template for each case; each has values of its own."""
    chart = work / "chart"
    (chart / "templates").mkdir(parents=True)
    shutil.copytree(ROOT / "charts", chart / "charts")
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: my-module\nversion: 0.0.1\n")
    for index, case in enumerate(cases):
        for path, text in case.get("files", {}).items():
            (chart / path).parent.mkdir(parents=True, exist_ok=True)
            (chart / path).write_text(text)
        (chart / f"{index}.json").write_text(json.dumps(merged(VALUES, case.get("values", {}))))
        text = INCLUDE.replace("case.json", f"{index}.json")
        text = text.replace("NAME", f'"{case["template"]}"').replace("ARGUMENT", case["argument"])
        (chart / f"templates/{index}.yaml").write_text(f"index: {index}\n{text}")
    return chart


def _render(work: Path, binary: str, *cases: dict[str, Any]) -> list[str]:
    """Include templates in a chart; gives their texts."""
    found = parse(helm("template", "x", str(_make_chart(work, list(cases))), binary=binary))
    texts = {item["index"]: item["text"] for item in found}
    return [texts[index] for index in range(len(cases))]


@pytest.fixture(scope="module", params=HELMS)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Texts:
    """All that come of one chart: cases that bring no files and are not refused."""
    texts = _render(tmp_path_factory.mktemp("plain"), request.param, *PLAIN)
    return {id(case): text for case, text in zip(PLAIN, texts, strict=True)}


@pytest.mark.parametrize("case", PLAIN, ids=_name)
def test_result(case: dict[str, Any], plain: Texts) -> None:
    _assert_is(plain[id(case)], case)


@pytest.mark.parametrize("binary", HELMS)
@pytest.mark.parametrize("case", [case for case in CASES if "files" in case], ids=_name)
def test_result_with_files(case: dict[str, Any], binary: str, tmp_path: Path) -> None:
    _assert_is(_render(tmp_path, binary, case)[0], case)


@pytest.mark.parametrize("binary", HELMS)
@pytest.mark.parametrize("case", [case for case in CASES if "refuses" in case], ids=_name)
def test_refusal(case: dict[str, Any], binary: str, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=re.escape(case["refuses"])):
        _render(tmp_path, binary, case)


def _assert_is(text: str, case: dict[str, Any]) -> None:
    if "documents" in case:
        assert parse(text) == case["documents"]
    elif isinstance(case["gives"], str):
        assert text.strip() == case["gives"]
    else:
        assert parse(text) == [case["gives"]]


def _defined() -> list[str]:
    text = "".join(path.read_text() for path in sorted(OURS.iterdir()))
    return re.findall(r'define "([^"]+)"', text)


def test_every_template_has_its_results_and_nothing_else_has() -> None:
    rows = Counter(case["template"] for case in CASES)
    assert rows.keys() == set(_defined())
    assert len(_defined()) == len(set(_defined())) >= 20


def test_nothing_is_defined_that_the_module_does_not_use() -> None:
    paths = [*OURS.iterdir(), *(p for p in (ROOT / "templates").rglob("*") if p.is_file())]
    used = {name for path in paths for name in re.findall(r'include "([^"]+)"', path.read_text())}
    assert set(_defined()) <= used


def test_everything_of_the_library_that_the_module_uses_is_defined() -> None:
    paths = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    used = {name for path in paths for name in re.findall(r'include "([^"]+)"', path.read_text())}
    assert {name for name in used if name.startswith("helm_lib_")} <= set(_defined())
