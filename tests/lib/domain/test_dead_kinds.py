from __future__ import annotations

from metallb.domain.dead_kinds import deckhouse_kind_removal, metallb_kind_removal
from metallb.domain.decisions import Decision, Delete
from support.situations import situation


def _deleted(decision: Decision) -> list[str]:
    found = [item for item in decision.operations if isinstance(item, Delete)]
    assert all(item.target.kind == "CustomResourceDefinition" for item in found)
    return [item.target.name for item in found]


def test_the_kind_that_metallb_gave_up_goes_always() -> None:
    assert _deleted(metallb_kind_removal(situation())) == ["addresspools.metallb.io"]


def test_deckhouses_kind_goes_when_it_is_there() -> None:
    name = "sdninternall2lbservices.internal.network.deckhouse.io"
    assert _deleted(deckhouse_kind_removal(situation(old_kind=[{"name": name}]))) == [name]
    assert _deleted(deckhouse_kind_removal(situation(old_kind=[None]))) == []
    assert _deleted(deckhouse_kind_removal(situation(old_kind=[]))) == []
