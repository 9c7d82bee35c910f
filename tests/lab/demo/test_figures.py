"""What was measured, put together with who announced what."""

from __future__ import annotations

import json

from metallb_lab.demo.figures import Figures, VipMeasured, measured
from metallb_lab.probes import Gap, ProbeResult


def test_a_moved_vip_and_one_that_stayed() -> None:
    seen = {
        "10.0.0.1": ProbeResult(100, 60, Gap(81.26, 5.0)),
        "10.0.0.2": ProbeResult(100, 100, Gap(4.0, 6.0)),
    }
    moved, stayed = measured(
        {"10.0.0.1": "n1", "10.0.0.2": "n2"},
        {"10.0.0.1": "n3", "10.0.0.2": "n2"},
        seen,
        {"10.0.0.1": 79.0},
    )
    assert moved == VipMeasured("10.0.0.1", "n1", "n3", 100, 40, 81.3, 79.0)
    assert moved.has_moved
    assert (stayed.lost, stayed.recorded_outage_milliseconds) == (0, None)
    assert not stayed.has_moved


def test_the_json_says_whether_all_held() -> None:
    figures = Figures("embedded", 3, seconds=12.5)
    assert json.loads(json.dumps(figures.to_json()))["ok"] is True
    figures.failures.append("balance")
    assert figures.to_json()["ok"] is False
