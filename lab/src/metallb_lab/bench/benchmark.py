"""What a benchmark is to the runner, and what the runner gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_lab import tools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from metallb_lab.bench.figures import Figure


class BenchmarkError(RuntimeError):
    """A benchmark could not run, or what it measured was not what it was to measure."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a benchmark runs with."""

    say: Callable[[str], None]
    """Takes a line that tells how far it is."""
    is_small: bool = False
    """Do a tiny part of the work, to see that the benchmark works."""
    seconds: float | None = None
    """How long to watch, for those that watch; None: as long as each finds enough."""
    cache: Path = field(default_factory=tools.cache_dir)
    """Where data that take long to make are kept."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: it gives one figure or several."""

    id: str
    title: str
    measure: Callable[[Context], Awaitable[list[Figure]]]
    needs_lab: bool = True
    """Whether it needs what a lab needs: root, namespaces, nftables."""
