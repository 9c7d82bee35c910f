"""The table of allowed differences holds no row that nobody needs. Runs last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.differences import ALL

if TYPE_CHECKING:
    import pytest

    from contract.api import Server


def test_every_difference_is_met_and_is_one(server: Server, request: pytest.FixtureRequest) -> None:
    assert len(ALL) >= 8
    for row in ALL:
        assert row.embedded != row.real, row
        assert len(row.reason) > 10
    selected = {item.nodeid.partition("::")[0].rpartition("/")[2] for item in request.session.items}
    if {"test_negotiation.py", "test_patches.py", "test_kinds.py"} <= selected:
        unused = [row.reason for row in ALL if not row.used]
        assert unused == []
