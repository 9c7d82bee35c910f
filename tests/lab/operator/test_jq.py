from __future__ import annotations

from typing import Any

import pytest

from metallb_lab import tools
from metallb_lab.operator.errors import HookError
from metallb_lab.operator.jq import Jq

pytestmark = pytest.mark.real


async def _filter(program: str, *objects: Any) -> list[Any]:
    return await Jq(tools.find("gojq")).filter(program, objects)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (".a", 1),
        (".b", None),
        ("{b: .a, a: .b}", {"b": 1, "a": None}),
        ("select(.a == 2)", None),
        (".a, .a", [1, 1]),
        ("[.a]", [1]),
        (".a # a comment", 1),
    ],
)
async def test_what_the_operator_makes_of_results(program: str, expected: Any) -> None:
    assert await _filter(program, {"a": 1}) == [expected]


async def test_one_process_filters_many_objects_in_order() -> None:
    objects = [{"a": index, "text": "line\nbreak"} for index in range(500)]
    assert await _filter(".a", *objects) == list(range(500))
    assert await _filter(".a") == []


@pytest.mark.parametrize("program", ["{", ".a.b", "error(.a)"])
async def test_a_filter_that_fails(program: str) -> None:
    with pytest.raises(HookError, match="jqFilter"):
        await _filter(program, {"a": "text"})
