"""jqFilter, by the real gojq (deckhouse-platform.md §2.4).

The operator has gojq built in, and takes what a filter gives: one result as it is, none as null,
several as a list. Here the same gojq runs as a process, once for any number of objects. An object
on which a filter fails makes the operator fail the binding, and so it does here.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.operator.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Jq:
    """The program, and what filters are asked of it."""

    gojq: Path

    async def filter(self, program: str, objects: Sequence[Any]) -> list[Any]:
        """Give the filter result of each object; raises HookError."""
        if not objects:
            return []
        process = await asyncio.create_subprocess_exec(
            str(self.gojq),
            "--compact-output",
            f"[{program}\n]",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        text = "\n".join(map(json.dumps, objects))
        out, error = await process.communicate(text.encode())
        if process.returncode != 0:
            raise HookError(f"jqFilter {program}: {error.decode().strip()}")
        return [_result(json.loads(line)) for line in out.splitlines()]


def _result(results: list[Any]) -> Any:
    """What the operator makes of all that a filter gave for one object."""
    if len(results) == 1:
        return results[0]
    return results or None
