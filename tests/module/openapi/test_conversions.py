"""Settings of older versions, converted by the module's programs and the real gojq."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from metallb_lab import tools
from metallb_lab.operator.conversions import ConversionError, Conversions
from metallb_lab.operator.schemas import ModuleSchemas

OPENAPI = Path(__file__).parents[3] / "openapi"
CASES = yaml.safe_load((OPENAPI / "conversions" / "testcases.yaml").read_text())["testcases"]
SCHEMAS = ModuleSchemas.load(OPENAPI, "metallb")

real = pytest.mark.real


def chain() -> Conversions:
    return Conversions.load(OPENAPI / "conversions", tools.find("gojq"))


@real
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_cases(case: dict[str, Any]) -> None:
    settings = yaml.safe_load(case["settings"])
    made = chain().apply(settings, case["currentVersion"], case["expectedVersion"])
    assert made == yaml.safe_load(case["expected"])


@real
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_settings_of_any_version_end_as_valid_ones(case: dict[str, Any]) -> None:
    made = chain().apply(yaml.safe_load(case["settings"]), case["currentVersion"])
    assert SCHEMAS.config.faults(made) == []


@real
def test_every_step_has_a_case() -> None:
    steps = {(case["currentVersion"], case["expectedVersion"]) for case in CASES}
    assert {(1, 2), (2, 3), (1, 3)} == steps


@real
def test_the_chain_ends_at_the_version_of_the_settings() -> None:
    assert chain().latest == SCHEMAS.config_version == 3


@real
@pytest.mark.parametrize(
    ("program", "words"),
    [("del(", "invalid query"), (".a", "gave null"), ("., .", "no settings"), ("[]", "gave []")],
)
def test_a_program_that_gives_no_settings_is_a_fault(
    tmp_path: Path, program: str, words: str
) -> None:
    write(tmp_path, 2, [program])
    with pytest.raises(ConversionError, match="v2") as caught:
        Conversions.load(tmp_path, tools.find("gojq")).apply({}, 1)
    assert words in str(caught.value)


def write(directory: Path, number: int, programs: list[str], **changes: Any) -> None:
    document = {
        "version": number,
        "conversions": programs,
        "description": {"en": "Words.", "ru": "Слова."},
    } | changes
    text = yaml.safe_dump(document, allow_unicode=True)
    (directory / f"v{number}.yaml").write_text(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"more": 1}, "exactly the keys"),
        ({"version": 7}, "holds version 7"),
        ({"description": {"en": "Words."}}, "in en and in ru"),
        ({"description": {"en": "Words.", "ru": ""}}, "in en and in ru"),
        ({"conversions": []}, "converts nothing"),
    ],
)
def test_a_file_that_is_no_conversion_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    write(tmp_path, 2, ["."], **changes)
    with pytest.raises(ConversionError, match=words):
        Conversions.load(tmp_path, Path("gojq"))


def test_a_gap_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 3, ["."])
    with pytest.raises(ConversionError, match="without a gap"):
        Conversions.load(tmp_path, Path("gojq"))


def test_a_version_from_the_future_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 2, ["."])
    with pytest.raises(ConversionError, match="version 3 is not known; the latest is 2"):
        Conversions.load(tmp_path, Path("gojq")).apply({}, 3)
