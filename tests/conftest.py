"""Settings of the whole suite: Hypothesis profiles.

`gate` is for every run: derandomised, so that a failure is a failure for everybody. `hunt` is for
whoever looks for trouble: HYPOTHESIS_PROFILE=hunt, deep and random.
"""

from __future__ import annotations

import os

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
