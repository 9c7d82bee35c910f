"""Whether a node announces a VIP, and by which prefixes: metallb.md §4.3 and §4.4 as tables."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import EXCLUDE_LABEL, Node
from metallb.api.selectors import LabelSelector
from metallb.api.virtual_ips import BGPOrders, Suspension, VirtualIPSpec
from metallb.domain.address_pools import AddressPool, BGPAdvertisement, PoolKind
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.routes.model import Share, Silence, Verdict
from metallb_speaker.routes.verdicts import verdict


def meta(name: str) -> Metadata:
    return Metadata(ObjectKey("", name), "", "", 0, "", False)


NODE = Node(meta("n1"), {"rack": "a"}, is_ready=True, is_network_available=True)
EDGE = BGPAdvertisement("edge")
ORDERS = BGPOrders(("edge",))


def pool(*advertisements: BGPAdvertisement) -> AddressPool:
    return AddressPool(PoolKind.NATIVE, meta("front"), (), bgp=advertisements)


def vip(orders: BGPOrders | None = ORDERS, address: str = "10.0.0.129") -> VirtualIPSpec:
    return VirtualIPSpec(ip_address(address), "IPAddressPool/front", (), bgp=orders)


def rivals(*peers: str, **changed: Any) -> AddressPool:
    """Two advertisements that differ in local preference."""
    return pool(
        replace(EDGE, local_pref=100, peers=peers[:1]),
        replace(EDGE, name="other", local_pref=200, peers=peers[1:], **changed),
    )


BOTH = BGPOrders(("edge", "other"))
SELECTING = replace(EDGE, node_selectors=(LabelSelector.of({"rack": "b"}),))
UNAVAILABLE = replace(NODE, is_network_available=False)
EXCLUDED = replace(NODE, labels={"rack": "a", EXCLUDE_LABEL: ""})
SUSPENDED = replace(ORDERS, suspended=Suspension.NO_READY_ENDPOINTS)
ELSEWHERE = replace(ORDERS, nodes=("n2",))


@pytest.mark.parametrize(
    ("spec", "found", "node", "silence"),
    [
        (vip(None), pool(EDGE), NODE, Silence.NOT_OWNER),
        (vip(), None, NODE, Silence.NOT_OWNER),
        (vip(), pool(EDGE), None, Silence.NOT_OWNER),
        (vip(), pool(SELECTING), NODE, Silence.NOT_OWNER),
        (vip(BGPOrders()), pool(EDGE), NODE, Silence.NO_MATCHING_ADVERTISEMENT),
        (vip(BOTH), rivals(), NODE, Silence.CONFLICTING_ADVERTISEMENTS),
        (vip(BOTH), rivals("tor"), NODE, Silence.CONFLICTING_ADVERTISEMENTS),
        (vip(BOTH), rivals("tor", "tor"), NODE, Silence.CONFLICTING_ADVERTISEMENTS),
        (vip(BOTH), rivals("tor", "spine"), NODE, None),
        (vip(BOTH), rivals(aggregation_length=24), NODE, None),
        (vip(BOTH), rivals(aggregation_length_v6=64), NODE, Silence.CONFLICTING_ADVERTISEMENTS),
        (vip(), pool(EDGE), UNAVAILABLE, Silence.NODE_NETWORK_UNAVAILABLE),
        (vip(), pool(EDGE), EXCLUDED, Silence.NODE_LABELED_EXCLUDE_BALANCERS),
        (vip(SUSPENDED), pool(EDGE), NODE, Silence.NO_ENDPOINTS),
        (vip(ELSEWHERE), pool(EDGE), NODE, Silence.NO_LOCAL_ENDPOINTS),
        (vip(replace(ORDERS, nodes=("n2", "n1"))), pool(EDGE), NODE, None),
        (vip(), pool(EDGE), NODE, None),
        (vip(SUSPENDED), pool(EDGE), EXCLUDED, Silence.NODE_LABELED_EXCLUDE_BALANCERS),
    ],
)
def test_reasons_come_in_their_order(
    spec: VirtualIPSpec, found: AddressPool | None, node: Node | None, silence: Silence | None
) -> None:
    decided = verdict(spec, found, node)
    assert decided.silence == silence
    assert bool(decided.shares) == (silence is None)


ASKING = replace(ORDERS, nodes=("n1",), health_check_ports=(30_100, 30_200))


@pytest.mark.parametrize(
    ("orders", "node", "has_rules", "decided"),
    [
        (ASKING, NODE, False, Verdict(Silence.KUBE_PROXY_NOT_READY, ports=(30_100, 30_200))),
        (ASKING, NODE, True, None),
        (replace(ASKING, health_check_ports=()), NODE, False, None),
        (replace(ASKING, nodes=("n2",)), NODE, False, Verdict(Silence.NO_LOCAL_ENDPOINTS)),
        (ASKING, EXCLUDED, False, Verdict(Silence.NODE_LABELED_EXCLUDE_BALANCERS)),
    ],
)
def test_kube_proxy_is_asked_last_and_only_where_there_is_a_port(
    orders: BGPOrders, node: Node, has_rules: bool, decided: Verdict | None
) -> None:
    found = verdict(vip(orders), pool(EDGE), node, has_rules=has_rules)
    assert found == (decided or Verdict(shares=(Share(Prefix.of("10.0.0.129/32"), EDGE),)))


@pytest.mark.parametrize(
    ("address", "lengths", "prefix"),
    [
        ("10.0.0.129", (32, 128), "10.0.0.129/32"),
        ("10.0.0.129", (24, 128), "10.0.0.0/24"),
        ("10.0.0.129", (25, 128), "10.0.0.128/25"),
        ("10.0.0.129", (30, 128), "10.0.0.128/30"),
        ("10.0.0.129", (0, 128), "0.0.0.0/0"),
        ("fd00::ffff:1", (24, 128), "fd00::ffff:1/128"),
        ("fd00::ffff:1", (24, 124), "fd00::ffff:0/124"),
        ("fd00::ffff:1", (24, 101), "fd00::f800:0/101"),
    ],
)
def test_addresses_are_cut_to_the_length_of_their_family(
    address: str, lengths: tuple[int, int], prefix: str
) -> None:
    item = replace(EDGE, aggregation_length=lengths[0], aggregation_length_v6=lengths[1])
    decided = verdict(vip(address=address), pool(item), NODE)
    assert decided == Verdict(shares=(Share(Prefix.of(prefix), item),))


def test_an_advertisement_of_other_nodes_does_not_count() -> None:
    decided = verdict(vip(BOTH), pool(replace(SELECTING, name="other", local_pref=7), EDGE), NODE)
    assert [item.advertisement for item in decided.shares] == [EDGE]
