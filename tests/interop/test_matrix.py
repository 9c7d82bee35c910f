"""The document says what the tests prove, and the tests that it stands on are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interop.matrix import CLAIMS, ROUTERS, table

ROOT = Path(__file__).parents[2]


def test_the_document_is_what_is_printed() -> None:
    assert (ROOT / "docs/internal/INTEROP.md").read_text() == table()


@pytest.mark.parametrize("claim", CLAIMS)
def test_behind_each_mark_is_a_test(claim: str) -> None:
    assert CLAIMS[claim].keys() <= set(ROUTERS)
    for proof in CLAIMS[claim].values():
        path, _, name = proof.partition("::")
        assert re.search(rf"^async def {name}\(", (ROOT / path).read_text(), re.MULTILINE), proof
