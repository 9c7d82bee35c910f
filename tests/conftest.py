"""Settings of the whole suite: Hypothesis profiles, and what happens without root.

`gate` is for every run: derandomised, so that a failure is a failure for everybody. `hunt` is for
whoever looks for trouble: HYPOTHESIS_PROFILE=hunt, deep and random.

Tests marked `netns` make network namespaces, which only root may: they are skipped for others, and
only for others. `make test` runs as root and fails if anything is skipped.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "gate",
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("hunt", max_examples=3000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root when we are not root."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("netns") is not None:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))
