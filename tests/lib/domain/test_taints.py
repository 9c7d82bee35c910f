from __future__ import annotations

from typing import Any

import pytest

from metallb.api.fields import Fields
from metallb.domain.taints import untolerated

GPU = {"key": "gpu", "value": "a100", "effect": "NoSchedule"}


def _left(taint: Any, *tolerations: Any, custom: tuple[str, ...] = ()) -> list[str]:
    return untolerated([Fields(taint)], [Fields(item) for item in tolerations], custom)


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "gpu", "value": "a100"},
        {"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoSchedule"},
    ],
)
def test_tolerated(toleration: Any) -> None:
    assert _left(GPU, toleration) == []


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
        {"key": "gpu", "value": "v100"},
        {"key": "gpu"},
        {"key": "cpu", "operator": "Exists"},
        {},
    ],
)
def test_not_tolerated(toleration: Any) -> None:
    assert _left(GPU, toleration) == ["gpu=a100:NoSchedule"]


@pytest.mark.parametrize(
    "taint",
    [
        {"key": "gpu", "effect": "PreferNoSchedule"},
        {"key": "gpu"},
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        {"key": "dedicated", "value": "x", "effect": "NoSchedule"},
        {"key": "dedicated.deckhouse.io", "value": "frontend", "effect": "NoExecute"},
    ],
)
def test_taints_that_keep_no_speaker_away(taint: Any) -> None:
    assert _left(taint) == []


def test_keys_that_the_platform_was_told_to_tolerate() -> None:
    assert _left(GPU, custom=("gpu",)) == []
    assert _left({"key": "cpu", "effect": "NoExecute"}, custom=("gpu",)) == ["cpu:NoExecute"]
