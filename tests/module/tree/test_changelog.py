"""Release notes: each version in both languages, point for point."""

from __future__ import annotations

import re

import yaml

from module.tree.tree import ROOT

NOTES = sorted(path for path in (ROOT / "CHANGELOG").iterdir())
SECTIONS = {"features", "fixes", "chore"}


def test_each_version_is_in_both_languages() -> None:
    english = [path.name for path in NOTES if not path.name.endswith(".ru.yml")]
    assert english
    for name in english:
        assert re.fullmatch(r"v\d+\.\d+\.\d+\.yml", name)
    assert len(NOTES) == 2 * len(english)
    for name in english:
        notes = yaml.safe_load((ROOT / "CHANGELOG" / name).read_text())
        russian = name.replace(".yml", ".ru.yml")
        translated = yaml.safe_load((ROOT / "CHANGELOG" / russian).read_text())
        assert notes.keys() <= SECTIONS
        assert {key: len(points) for key, points in notes.items()} == {
            key: len(points) for key, points in translated.items()
        }
        for points in [*notes.values(), *translated.values()]:
            assert all(point["summary"].endswith(".") for point in points)
