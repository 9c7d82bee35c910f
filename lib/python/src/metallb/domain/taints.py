"""Which taints of a node keep a speaker away from it.

The chart gives speakers the tolerations that all node-wide components of the platform have; they
are named here by the keys' prefixes. What they do not cover must be tolerated by the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.api.fields import Fields

PLATFORM_PREFIXES = (
    "node-role.kubernetes.io/",
    "node.kubernetes.io/",
    "node.deckhouse.io/",
    "node.cloudprovider.kubernetes.io/",
    "dedicated.deckhouse.io",
    "drbd.linbit.com/",
    "storage.deckhouse.io/",
    "DeletionCandidateOfClusterAutoscaler",
    "ToBeDeletedByClusterAutoscaler",
)
PLATFORM_KEYS = ("dedicated",)


def untolerated(
    taints: Iterable[Fields], tolerations: Iterable[Fields], custom_keys: Iterable[str]
) -> list[str]:
    """Name the taints that nothing tolerates; `custom_keys` are tolerated by the platform."""
    known = frozenset((*PLATFORM_KEYS, *custom_keys))
    given = list(tolerations)
    return sorted(
        _shown(taint)
        for taint in taints
        if taint.text("effect") in ("NoSchedule", "NoExecute")
        and not taint.text("key").startswith(PLATFORM_PREFIXES)
        and taint.text("key") not in known
        and not any(_tolerates(item, taint) for item in given)
    )


def _tolerates(toleration: Fields, taint: Fields) -> bool:
    """Tell whether a toleration covers a taint, by Kubernetes' rules."""
    if toleration.text("effect") not in ("", taint.text("effect")):
        return False
    key = toleration.text("key")
    if toleration.text("operator", "Equal") == "Exists":
        return key in ("", taint.text("key"))
    return key == taint.text("key") and toleration.text("value") == taint.text("value")


def _shown(taint: Fields) -> str:
    value = f"={taint.text('value')}" if taint.text("value") else ""
    return f"{taint.text('key')}{value}:{taint.text('effect')}"
