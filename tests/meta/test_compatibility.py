"""`docs/internal/COMPATIBILITY.md`: every known defect of the peers has a decision and a test."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import pytest

from meta.test_documents import CODE, TEST, is_test
from meta.tree import ROOT

DOCUMENT = ROOT / "docs/internal/COMPATIBILITY.md"
DECISIONS = {"mended", "kept", "void"}
HEADING = re.compile(r"^## (.+)$", re.M)
QUIRKS = {
    "1.3": 1, "1.5": 1, "1.7": 1, "1.8": 1, "1.12": 1, "1.13": 1, "1.15": 4,
    "2": 3, "3.3": 1, "3.4": 1, "3.5": 1, "4.1": 1, "4.5": 6, "5": 1, "7": 2,
}  # fmt: skip
"""How many defects of MetalLB are known of each section, at least."""


class Row(NamedTuple):
    """One line of a table."""

    table: str
    section: str
    what: str
    decision: str
    why: str
    tests: str


def rows() -> list[Row]:
    parts = HEADING.split(DOCUMENT.read_text())[1:]
    found = []
    for table, text in zip(parts[::2], parts[1::2], strict=True):
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and cells[0] not in ("section", "---"):
                found.append(Row(table, *cells))
    return found


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.what[:40]}")
def test_each_has_a_decision_a_reason_and_a_test_that_exists(row: Row) -> None:
    assert row.decision in DECISIONS
    assert row.what
    assert row.why
    named = CODE.findall(row.tests)
    assert named
    assert all(TEST.match(name) and is_test(name) for name in named)


def test_no_defect_is_left_out() -> None:
    found = Counter(row.section for row in ROWS if row.table == "MetalLB: defects")
    assert {section: found[section] for section in QUIRKS if found[section] < QUIRKS[section]} == {}
    tables = Counter(row.table.partition(":")[0] for row in ROWS)
    assert tables["MetalLB"] >= 38
    assert tables["Deckhouse"] >= 18


def test_a_row_without_its_test_is_seen() -> None:
    assert not is_test("tests/meta/test_compatibility.py::test_nothing")


def test_no_line_of_the_inventory_of_allocator_and_configuration_is_left_out() -> None:
    lines = [row.section for row in ROWS if row.section.startswith("8.")]
    wanted = [f"8.{1 if number < 15 else 2}.{number}" for number in range(1, 20)]
    assert lines == wanted


def test_what_is_allocated_is_shown_end_to_end() -> None:
    for row in ROWS:
        if row.section.startswith("8."):
            assert "tests/e2e/" in row.tests or "tests/module/" in row.tests, row.section
