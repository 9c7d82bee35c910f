"""The rules of MetalLB's webhooks (metallb.md §7), each with its holes closed: one row for each.

A row puts objects in place, asks about one, and says whether it is let through, and which words are
said. They are those of readers and of `metallb.domain.validation`; here they are asked for as the
API server asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from metallb.domain.everything import Everything
from metallb_controller.admission.kinds import KINDS
from metallb_controller.admission.questions import read_question
from metallb_controller.admission.verdicts import judge

NAMESPACE = "d8-metallb"


def an(kind: str, name: str = "mine", **spec: Any) -> dict[str, Any]:
    meta = {"name": name}
    if KINDS[kind].is_native:
        meta["namespace"] = NAMESPACE
    return {"kind": kind, "metadata": meta, "spec": spec}


def peer(name: str = "mine", **spec: Any) -> dict[str, Any]:
    known = {"myASN": 64512, "peerASN": 64513, "peerAddress": "10.0.0.1"}
    return an("BGPPeer", name, **{**known, **spec})


def pool(name: str, *ranges: str, **spec: Any) -> dict[str, Any]:
    return an("IPAddressPool", name, addresses=list(ranges), **spec)


def deleted(value: dict[str, Any]) -> dict[str, Any]:
    return {"object": None, "oldObject": value}


@dataclass(frozen=True)
class Row:
    """What is there, what is asked, and the words of the answer."""

    rule: str
    asked: dict[str, Any]
    present: list[dict[str, Any]] = field(default_factory=list)
    refused: str = ""
    warned: str = ""


SHARES: dict[str, Any] = {"localPref": 100, "ipAddressPools": ["edge"]}
ROWS = [
    Row("the whole set: pools overlap", pool("mine", "10.0.0.0/25"), [pool("edge", "10.0.0.0/24")],
        refused="edge"),
    Row("the whole set: but not with itself", pool("edge", "10.0.0.0/25"),
        [pool("edge", "10.0.0.0/24")]),
    Row("the whole set: a BGP advertisement against the lengths of pools",
        an("BGPAdvertisement", aggregationLength=24), [pool("edge", "10.0.0.0/28")], refused="28"),
    Row("the whole set: one of other pools", an("BGPAdvertisement", aggregationLength=24,
        ipAddressPools=["other"]), [pool("edge", "10.0.0.0/28"), pool("other", "10.0.1.0/24")]),
    Row("hole closed: a pool update against advertisements", pool("edge", "10.0.0.0/28"),
        [pool("edge", "10.0.0.0/24"), an("BGPAdvertisement", "wide", aggregationLength=24)],
        refused="wide"),
    Row("the whole set: localPref of two on one prefix", an("BGPAdvertisement", **SHARES),
        [pool("edge", "10.0.0.0/24"),
         an("BGPAdvertisement", "other", **{**SHARES, "localPref": 200})], refused="localPref"),
    Row("serviceSelectors with aggregation", an("BGPAdvertisement", aggregationLength=24,
        serviceSelectors=[{"matchLabels": {"a": "b"}}]), refused="serviceSelectors"),
    Row("a malformed selector", an("L2Advertisement",
        nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "Near"}]}]),
        refused="operator"),
    Row("peers of one address on common nodes", peer(), [peer("other")], refused="other"),
    Row("hole closed: disableMP skips nothing", peer(disableMP=True, peerAddress="router"),
        refused="peerAddress"),
    Row("hole closed: disableMP among others", peer(disableMP=True), [peer("other")],
        refused="other"),
    Row("both passwords", peer(password="a", passwordSecret={"name": "b"}), refused="password"),
    Row("a keepalive time above the hold time", peer(holdTime="30s", keepaliveTime="60s"),
        refused="keepalive"),
    Row("later: a BFD profile that is not there yet", peer(bfdProfile="fast"), warned="fast"),
    Row("later: a password's Secret", peer(passwordSecret={"name": "later"})),
    Row("later: an alias that is not there yet", an("BGPAdvertisement", communities=["far"]),
        warned="far"),
    Row("a community that is none", an("BGPAdvertisement", communities=["64512:1:2"]),
        refused="64512:1:2"),
    Row("a pool that is not there yet", an("L2Advertisement", ipAddressPools=["later"]),
        warned="later"),
    Row("an alias of another object", an("Community",
        communities=[{"name": "far", "value": "64512:1"}]),
        [an("Community", "other", communities=[{"name": "far", "value": "64512:2"}])],
        refused="far"),
    Row("deleting a BFD profile in use", deleted(an("BFDProfile", "fast")),
        [an("BFDProfile", "fast"), peer("user", bfdProfile="fast")], refused="BGPPeer user"),
    Row("deleting one that nobody uses", deleted(an("BFDProfile", "fast")),
        [an("BFDProfile", "fast"), peer("user")]),
    Row("hole closed: deleting a pool that is named", deleted(pool("edge", "10.0.0.0/24")),
        [an("L2Advertisement", "user", ipAddressPools=["edge"])], warned="L2Advertisement user"),
    Row("hole closed: deleting a peer that is named", deleted(peer("router")),
        [an("BGPAdvertisement", "user", peers=["router"])], warned="BGPAdvertisement user"),
    Row("hole closed: deleting an alias in use", deleted(an("Community", "names")),
        [an("Community", "names", communities=[{"name": "far", "value": "64512:1"}]),
         an("BGPAdvertisement", "user", communities=["far"])], warned="BGPAdvertisement user"),
    Row("Deckhouse's: a pool over a native one", an("MetalLoadBalancerPool",
        addresses=["10.0.0.0/25"]), [pool("edge", "10.0.0.0/24")], warned="edge"),
    Row("Deckhouse's: deleting a pool that is named",
        deleted(an("MetalLoadBalancerPool", "edge", addresses=["10.0.0.0/24"])),
        [an("MetalLoadBalancerConfiguration", "user", mode="BGP", bgp={"peerNames": ["r"]},
            advertisements=[{"poolNames": ["edge"]}])],
        warned="MetalLoadBalancerConfiguration user"),
]  # fmt: skip


def test_rows_cannot_become_few_in_silence() -> None:
    assert len(ROWS) >= 26
    assert len({row.rule for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[f"§7 {row.rule}" for row in ROWS])
def test_rule(row: Row) -> None:
    everything = Everything()
    for value in row.present:
        everything.put(value["kind"], KINDS[value["kind"]].read(value))
    request = row.asked if "oldObject" in row.asked else {"object": row.asked}
    found = judge(read_question({"uid": "u", **request}), everything, NAMESPACE)
    assert bool(found.errors) is bool(row.refused), found
    assert row.refused in " ".join(found.errors)
    assert row.warned in " ".join(found.warnings)
    if not row.warned:
        assert found.warnings == ()
