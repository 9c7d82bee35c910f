"""Settings of the whole suite: Hypothesis profiles, and what happens without root.

`gate` is for every run: derandomised, so that a failure is a failure for everybody. `hunt` is for
whoever looks for trouble: HYPOTHESIS_PROFILE=hunt, deep and random.

Files with the most tests marked `slow` go first, so that in the end no process is left with a long
one while the others have nothing to do; `tests/e2e` goes last, for its cluster lives to the end of
the session.

Tests marked `netns` make network namespaces, which only root may: they are skipped for others, and
only for others. `make test` runs as root and fails if anything is skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile(
    "gate",
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("hunt", max_examples=3000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

CONTRACT = "tests/contract/"
WITH_ONE_CLUSTER = Path(__file__).parent / "e2e"


class ContractInOneProcess(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out single tests, and the contract suite whole, for its last test sums up the others.

    In place of `--dist loadgroup`, which changes node ids in a way that pytest 9.2 does not see.
    """

    def _split_scope(self, nodeid: str) -> str:
        return CONTRACT if nodeid.startswith(CONTRACT) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ContractInOneProcess | None:
    """Take our scheduler where groups are asked for."""
    return ContractInOneProcess(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in their order, and skip what needs root when we are not root."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow") is not None)
    items.sort(key=lambda item: (WITH_ONE_CLUSTER in item.path.parents, -slow[item.path]))
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("netns") is not None:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))
