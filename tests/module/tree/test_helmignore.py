"""`.helmignore`: a release holds the chart, and nothing else of the tree."""

from __future__ import annotations

import fnmatch
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from metallb_lab import tools
from module.tree.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CHART = {"templates", "charts", "monitoring", "Chart.yaml", "values.yaml"}
LIMIT_FILE_BYTES = 5 * 2**20
PATTERNS = [
    line.strip()
    for line in (ROOT / ".helmignore").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]


def is_covered(name: str, is_directory: bool) -> bool:
    """Whether helm leaves an entry of the root out."""
    for pattern in PATTERNS:
        if pattern.endswith("/") and not is_directory:
            continue
        if fnmatch.fnmatchcase(name, pattern.strip("/")):
            return True
    return False


def test_every_pattern_begins_at_the_root() -> None:
    for pattern in PATTERNS:
        assert pattern.startswith("/"), pattern
        assert "/" not in pattern.strip("/"), pattern


def test_every_entry_of_the_root_is_covered_or_part_of_the_chart() -> None:
    entries = {path.name: is_covered(path.name, path.is_dir()) for path in ROOT.iterdir()}
    assert "uv.lock" in entries
    assert [name for name, covered in entries.items() if covered == (name in CHART)] == []


@pytest.mark.parametrize("name", sorted(CHART))
def test_the_chart_itself_is_not_covered(name: str) -> None:
    assert not is_covered(name, is_directory="." not in name)


def test_a_new_entry_is_noticed() -> None:
    assert not is_covered("new.txt", is_directory=False)
    assert not is_covered("new", is_directory=True)


@pytest.mark.real
def test_helm_packs_the_chart_alone(tmp_path: Path) -> None:
    helm = str(tools.find("helm"))
    subprocess.run(
        [helm, "package", str(ROOT), "--destination", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    (archive,) = tmp_path.iterdir()
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
    names = [member.name.removeprefix("metallb/") for member in members]
    assert "Chart.yaml" in names
    assert {name.partition("/")[0] for name in names} <= CHART
    assert max(member.size for member in members) < LIMIT_FILE_BYTES
