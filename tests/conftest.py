"""Settings of the whole suite: Hypothesis profiles, and what happens without root.

`gate` is for every run: derandomised, so that a failure is a failure for everybody. `hunt` is for
whoever looks for trouble: HYPOTHESIS_PROFILE=hunt, deep and random.

Tests marked `netns` make network namespaces, which only root may: they are skipped for others, and
only for others. `make test` runs as root and fails if anything is skipped. Two of them may run side
by side (`--dist loadgroup`): those of one file, or of a directory that shares a cluster, follow
each other. Those marked `quiet` measure times of the order of milliseconds, and run alone.
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


SHARING = ("tests/e2e", "tests/module/e2e", "tests/module/images", "tests/module/monitoring")
"""Directories in which all tests share a cluster, or a store of images."""


QUIET = ("tests/lab/demo/", "tests/lab/bench/", "tests/interop/test_bfd_", "tests/speaker/reflex/")
"""Where the tests that run alone are."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root when we are not root; say which tests follow each other or run alone."""
    skipped = pytest.mark.skip(reason="network namespaces need root")
    for item in items:
        if item.get_closest_marker("netns") is None:
            continue
        if os.geteuid() != 0:
            item.add_marker(skipped)
        path = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(_group(path)))
        if path.startswith(QUIET):
            item.add_marker(pytest.mark.quiet)


def _group(path: str) -> str:
    return next((shared for shared in SHARING if path.startswith(f"{shared}/")), path)
