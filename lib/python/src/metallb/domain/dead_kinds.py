"""Kinds that nobody serves any more: their CRDs are deleted, the objects go with them.

The internal kind of Deckhouse's module held a child for each address of a Service. The children
were of its release, so the release of this module removes them; only then may the CRD go, because
Helm fails on objects of a kind that it cannot find. The addresses are in the ledger before that
(`metallb.domain.adoption`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.domain.decisions import Decision, Delete, Target

if TYPE_CHECKING:
    from metallb.domain.decisions import Situation

DECKHOUSE_KIND = "sdninternall2lbservices.internal.network.deckhouse.io"
METALLB_KIND = "addresspools.metallb.io"


def metallb_kind_removal(situation: Situation) -> Decision:
    """Delete the CRD of a kind that MetalLB gave up years ago, whatever the situation."""
    return Decision(operations=[_removal(METALLB_KIND)])


def deckhouse_kind_removal(situation: Situation) -> Decision:
    """Delete the CRD of Deckhouse's internal kind. Snapshot: `old-kind` (whether it is there)."""
    is_there = bool(situation.snapshot("old-kind"))
    return Decision(operations=[_removal(DECKHOUSE_KIND)] if is_there else [])


def _removal(name: str) -> Delete:
    return Delete(Target("apiextensions.k8s.io/v1", "CustomResourceDefinition", name))
