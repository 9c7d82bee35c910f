"""What peers are told, change by change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import EXCLUDE_LABEL, Node
from metallb.api.virtual_ips import BGPOrders, VirtualIPSpec
from metallb.domain.address_pools import AddressPool, BGPAdvertisement, PoolKind
from metallb.net.addresses import Family
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.routes.model import Silence, Turn
from metallb_speaker.routes.table import RouteTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypothesis.strategies import DataObject

IPV4, IPV6 = frozenset({Family.IPV4}), frozenset({Family.IPV6})
BOTH = IPV4 | IPV6
EDGE = BGPAdvertisement("edge")
PLAIN = RouteAttributes()


def meta(name: str) -> Metadata:
    return Metadata(ObjectKey("", name), "", "", 0, "", False)


NODE = Node(meta("n1"), {}, is_ready=True, is_network_available=True)
EXCLUDED = replace(NODE, labels={EXCLUDE_LABEL: ""})


def pool(*advertisements: BGPAdvertisement, name: str = "front") -> AddressPool:
    return AddressPool(PoolKind.NATIVE, meta(name), (), bgp=advertisements)


def vip(address: str, *names: str, pool: str = "front") -> VirtualIPSpec:
    orders = BGPOrders(names or ("edge",))
    return VirtualIPSpec(ip_address(address), f"IPAddressPool/{pool}", (), bgp=orders)


def table(*pools: AddressPool, **peers: frozenset[Family]) -> RouteTable:
    found = RouteTable()
    found.set_node(NODE)
    found.set_pools(pools or (pool(EDGE),))
    found.set_peers(peers or {"tor": IPV4})
    return found


Told = dict[str, dict[str, RouteAttributes | None]]


def taken(found: RouteTable) -> Told:
    """Drain the changes, by peer and prefix."""
    told: Told = {}
    for item in found.take_changes():
        for peer in item.peers:
            assert peer not in told, "a peer is told once"
            told[peer] = {str(prefix): each for prefix, each in item.changes.items()}
    return told


def test_a_vip_is_told_to_peers_of_its_family_and_taken_back() -> None:
    found = table(tor=IPV4, six=IPV6, both=BOTH)
    found.put(vip("10.0.0.1"))
    found.put(vip("fd00::1"))
    four, six = {"10.0.0.1/32": PLAIN}, {"fd00::1/128": PLAIN}
    assert taken(found) == {"tor": four, "six": six, "both": four | six}
    assert taken(found) == {}
    assert found.peers_of(ip_address("10.0.0.1")) == ("both", "tor")
    found.discard(ip_address("10.0.0.1"))
    assert taken(found) == {"tor": {"10.0.0.1/32": None}, "both": {"10.0.0.1/32": None}}
    assert found.verdict_of(ip_address("10.0.0.1")) is None
    assert found.peers_of(ip_address("10.0.0.1")) == ()


def test_what_is_said_twice_or_unknown_changes_nothing() -> None:
    found = table()
    found.put(vip("10.0.0.1"))
    taken(found)
    found.put(vip("10.0.0.1"))
    found.discard(ip_address("10.9.9.9"))
    found.set_node(NODE)
    found.set_pools([pool(EDGE)])
    found.set_peers({"tor": IPV4})
    found.set_draining(is_draining=False)
    assert found.take_changes() == []


def test_a_vip_that_comes_and_goes_in_between_is_not_told() -> None:
    found = table()
    taken(found)
    found.put(vip("10.0.0.1"))
    found.discard(ip_address("10.0.0.1"))
    assert found.take_changes() == []


def test_a_vip_whose_orders_no_longer_speak_of_bgp_is_withdrawn() -> None:
    found = table()
    found.put(vip("10.0.0.1"))
    taken(found)
    found.put(replace(vip("10.0.0.1"), bgp=None))
    assert taken(found) == {"tor": {"10.0.0.1/32": None}}


def test_a_prefix_stays_while_an_address_of_it_does() -> None:
    found = table(pool(replace(EDGE, aggregation_length=24)))
    found.put(vip("10.0.0.1"))
    found.put(vip("10.0.0.2"))
    assert taken(found) == {"tor": {"10.0.0.0/24": PLAIN}}
    found.discard(ip_address("10.0.0.1"))
    assert taken(found) == {}
    found.discard(ip_address("10.0.0.2"))
    assert taken(found) == {"tor": {"10.0.0.0/24": None}}


def test_advertisements_of_one_prefix_are_merged() -> None:
    """metallb.md §8.7.59: communities are united, the first local preference holds."""
    found = table(
        pool(
            replace(EDGE, name="b", communities=("1:2", "large:7:8:9"), local_pref=0),
            replace(EDGE, name="a", communities=("1:1", "1:2"), local_pref=0),
            replace(EDGE, name="c", local_pref=70, aggregation_length=24),
        ),
    )
    found.put(vip("10.0.0.1", "a", "b", "c"))
    assert taken(found)["tor"] == {
        "10.0.0.1/32": RouteAttributes(
            communities=(1 << 16 | 1, 1 << 16 | 2), large_communities=((7, 8, 9),)
        ),
        "10.0.0.0/24": RouteAttributes(local_pref=70),
    }


def test_med_and_prepending_are_the_first_that_are_said() -> None:
    found = table(
        pool(
            replace(EDGE, name="a"),
            replace(EDGE, name="b", med=0),
            replace(EDGE, name="c", med=7, prepend=3),
            replace(EDGE, name="d", prepend=1),
        ),
    )
    found.put(vip("10.0.0.1", "a", "b", "c", "d"))
    assert taken(found) == {"tor": {"10.0.0.1/32": RouteAttributes(med=0, prepend=3)}}


def test_extended_communities_are_united() -> None:
    target, origin = "rt:64500:100", "ro:192.0.2.1:7"
    found = table(
        pool(
            replace(EDGE, name="a", extended_communities=(target,)),
            replace(EDGE, name="b", extended_communities=(origin, target)),
        ),
    )
    found.put(vip("10.0.0.1", "a", "b"))
    octets = (bytes.fromhex("0002fbf400000064"), bytes.fromhex("0103c00002010007"))
    assert taken(found) == {"tor": {"10.0.0.1/32": RouteAttributes(extended_communities=octets)}}


def test_a_changed_advertisement_changes_the_routes_and_no_others() -> None:
    found = table(pool(EDGE), pool(EDGE, name="back"))
    found.put(vip("10.0.0.1"))
    found.put(vip("10.0.1.1", pool="back"))
    taken(found)
    found.set_pools([pool(replace(EDGE, communities=("1:1",))), pool(EDGE, name="back")])
    assert taken(found) == {"tor": {"10.0.0.1/32": RouteAttributes(communities=(1 << 16 | 1,))}}
    found.set_pools([pool(EDGE, name="back")])
    assert taken(found) == {"tor": {"10.0.0.1/32": None}}


def test_named_peers_hear_it_alone_until_the_list_is_gone() -> None:
    """metallb.md §8.7.64."""
    found = table(pool(replace(EDGE, peers=("tor",))), tor=IPV4, spine=IPV4)
    found.put(vip("10.0.0.1"))
    assert taken(found) == {"tor": {"10.0.0.1/32": PLAIN}}
    assert found.peers_of(ip_address("10.0.0.1")) == ("tor",)
    found.set_pools([pool(EDGE)])
    assert taken(found) == {"spine": {"10.0.0.1/32": PLAIN}}
    found.set_pools([pool(replace(EDGE, peers=("spine",)))])
    assert taken(found) == {"tor": {"10.0.0.1/32": None}}
    found.set_pools([pool(replace(EDGE, peers=("gone",)))])
    assert taken(found) == {"spine": {"10.0.0.1/32": None}}


def test_peers_that_hear_the_same_share_one_mapping() -> None:
    found = table(pool(EDGE), **{f"tor-{number}": IPV4 for number in range(50)})
    found.put(vip("10.0.0.1"))
    (item,) = found.take_changes()
    assert len(item.peers) == 50


def test_a_new_peer_hears_all_and_the_others_nothing() -> None:
    found = table()
    found.put(vip("10.0.0.1"))
    taken(found)
    found.set_peers({"tor": IPV4, "new": IPV4})
    assert taken(found) == {"new": {"10.0.0.1/32": PLAIN}}
    found.set_peers({"new": BOTH})
    assert taken(found) == {}


def test_a_node_that_may_not_announce_takes_all_back() -> None:
    """metallb.md §8.7.53."""
    found = table()
    found.put(vip("10.0.0.1"))
    taken(found)
    found.set_node(EXCLUDED)
    assert taken(found) == {"tor": {"10.0.0.1/32": None}}
    decided = found.verdict_of(ip_address("10.0.0.1"))
    assert decided is not None
    assert decided.silence is Silence.NODE_LABELED_EXCLUDE_BALANCERS
    assert list(found.verdicts()) == [ip_address("10.0.0.1")]
    found.set_node(NODE)
    assert taken(found) == {"tor": {"10.0.0.1/32": PLAIN}}
    found.set_node(None)
    assert taken(found) == {"tor": {"10.0.0.1/32": None}}


def test_draining_asks_routers_for_other_ways() -> None:
    """RFC 8326 §4.2: GRACEFUL_SHUTDOWN, and the lowest local preference."""
    found = table(pool(replace(EDGE, communities=("1:1",), local_pref=200)))
    found.put(vip("10.0.0.1"))
    usual = taken(found)
    found.set_draining(is_draining=True)
    assert taken(found) == {
        "tor": {"10.0.0.1/32": RouteAttributes(local_pref=0, communities=(1 << 16 | 1, 0xFFFF0000))}
    }
    found.set_draining(is_draining=False)
    assert taken(found) == usual


def test_a_weighted_route_says_how_many_endpoints_there_are() -> None:
    found = table(pool(replace(EDGE, is_weighted=True, aggregation_length=24)))

    def weighed(address: str, count: int) -> VirtualIPSpec:
        orders = BGPOrders(("edge",), ("n1",), None, (("n1", count),) if count else ())
        return replace(vip(address), bgp=orders)

    def one(weight: int) -> Told:
        return {"tor": {"10.0.0.0/24": RouteAttributes(link_bandwidth=weight * 125e6)}}

    found.put(weighed("10.0.0.1", 2))
    assert taken(found) == one(2)
    found.put(weighed("10.0.0.1", 3))
    assert taken(found) == one(3)
    found.put(weighed("10.0.0.2", 5))
    assert taken(found) == one(5), "that of the address with most of them"
    found.put(weighed("10.0.0.2", 0))
    found.put(weighed("10.0.0.1", 0))
    assert taken(found) == {"tor": {"10.0.0.0/24": PLAIN}}


LOCAL = ip_address("10.0.0.1")


def asking(*ports: int, nodes: tuple[str, ...] = ("n1",)) -> VirtualIPSpec:
    """Make a VIP of Services with the policy Local."""
    return replace(vip("10.0.0.1"), bgp=BGPOrders(("edge",), nodes, health_check_ports=ports))


TOLD, TAKEN_BACK = {"tor": {"10.0.0.1/32": PLAIN}}, {"tor": {"10.0.0.1/32": None}}


def test_a_vip_is_held_back_until_kube_proxy_has_rules_and_then_no_more() -> None:
    found = table()
    found.put(asking(30_100, 30_200))
    assert found.held() == {LOCAL: (30_100, 30_200)}
    assert found.take_turns() == [Turn(LOCAL, None, Silence.KUBE_PROXY_NOT_READY)]
    assert taken(found) == {}
    found.take_rules(LOCAL)
    assert found.held() == {}
    assert taken(found) == TOLD
    assert found.take_turns() == [Turn(LOCAL, Silence.KUBE_PROXY_NOT_READY, None)]
    found.put(asking(30_300))
    found.set_pools([pool(replace(EDGE, med=1))])
    assert found.held() == {}, "what is announced stays so"
    assert taken(found) == {"tor": {"10.0.0.1/32": RouteAttributes(med=1)}}


def test_a_vip_that_was_silent_for_another_reason_waits_anew() -> None:
    found = table()
    found.put(asking(30_100))
    found.take_rules(LOCAL)
    assert taken(found) == TOLD
    changes: list[Callable[[], None]] = [
        lambda: found.put(asking(30_100, nodes=("n2",))),
        lambda: found.set_node(EXCLUDED),
        lambda: found.discard(LOCAL),
    ]
    for change in changes:
        change()
        assert taken(found) == TAKEN_BACK, "and that waits for nobody"
        found.take_rules(LOCAL)
        assert taken(found) == {}, "this answer is too old"
        found.set_node(NODE)
        found.put(asking(30_100))
        assert found.held() == {LOCAL: (30_100,)}
        found.take_rules(LOCAL)
        assert taken(found) == TOLD


def test_a_vip_that_is_held_back_may_change_or_go() -> None:
    found = table()
    found.put(asking(30_100))
    found.put(asking(30_200))
    assert found.held() == {LOCAL: (30_200,)}
    found.discard(LOCAL)
    assert found.held() == {}
    found.put(asking(30_200))
    found.put(asking())
    assert found.held() == {}
    assert taken(found) == TOLD


def test_an_announced_vip_that_gets_a_port_stays() -> None:
    found = table()
    found.put(asking())
    assert taken(found) == TOLD
    found.put(asking(30_100))
    assert (found.held(), taken(found)) == ({}, {})


def test_nothing_is_held_back_where_nobody_waits_for_rules() -> None:
    found = RouteTable(waits_for_rules=False)
    found.set_node(NODE)
    found.set_pools([pool(EDGE)])
    found.set_peers({"tor": IPV4})
    found.put(asking(30_100))
    assert (found.held(), taken(found)) == ({}, TOLD)


def test_who_turns_silent_is_told_once_with_the_reason_before_and_now() -> None:
    found = table()
    first, second = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    found.put(vip("10.0.0.1"))
    found.put(vip("10.0.0.2", "other"))
    matching = Silence.NO_MATCHING_ADVERTISEMENT
    assert found.take_turns() == [Turn(second, None, matching)]
    excluded = Silence.NODE_LABELED_EXCLUDE_BALANCERS
    found.set_node(EXCLUDED)
    assert found.take_turns() == [Turn(first, None, excluded)]
    found.set_node(NODE)
    found.set_node(EXCLUDED)
    assert found.take_turns() == [], "it is as it was"
    found.set_node(NODE)
    found.discard(first)
    assert found.take_turns() == []
    found.put(vip("10.0.0.2"))
    assert found.take_turns() == [Turn(second, matching, None)]


# -- any order of changes ends the same ------------------------------------------------------------

ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1", "fd00::2")
ADVERTISEMENTS = st.builds(
    BGPAdvertisement,
    st.sampled_from(["edge", "other"]),
    aggregation_length=st.sampled_from([24, 32]),
    aggregation_length_v6=st.sampled_from([64, 128]),
    local_pref=st.sampled_from([0, 1, 2]),
    med=st.sampled_from([None, 0, 1]),
    prepend=st.sampled_from([0, 1]),
    communities=st.sampled_from([(), ("1:1",), ("1:2", "large:1:2:3")]),
    peers=st.sampled_from([(), ("tor",), ("spine", "tor")]),
)
POOLS = st.lists(
    st.builds(lambda items, name: pool(*items, name=name), st.lists(ADVERTISEMENTS, max_size=3),
              st.sampled_from(["front", "back"])),
    max_size=2, unique_by=lambda item: item.key,
)  # fmt: skip
PEERS = st.dictionaries(
    st.sampled_from(["tor", "spine", "leaf"]), st.sampled_from([IPV4, IPV6, BOTH])
)
VIPS = st.builds(
    lambda address, names, of, ports: replace(
        vip(address, pool=of), bgp=BGPOrders(names, health_check_ports=ports)
    ),
    st.sampled_from(ADDRESSES),
    st.sampled_from([("edge",), ("other",), ("edge", "other")]),
    st.sampled_from(["front", "back"]),
    st.sampled_from([(), (), (30_100,)]),
)


def _one_step(data: DataObject, found: RouteTable) -> None:
    match data.draw(st.integers(0, 7)):
        case 0:
            found.set_pools(data.draw(POOLS))
        case 1:
            found.set_peers(data.draw(PEERS))
        case 2:
            found.set_node(data.draw(st.sampled_from([NODE, EXCLUDED, None])))
        case 3:
            found.set_draining(data.draw(st.booleans()))
        case 4:
            found.discard(ip_address(data.draw(st.sampled_from(ADDRESSES))))
        case 5:
            found.take_rules(ip_address(data.draw(st.sampled_from(ADDRESSES))))
        case _:
            found.put(data.draw(VIPS))


def _hear(heard: dict[str, dict[Prefix, RouteAttributes]], found: RouteTable) -> None:
    """Be the peers: those that are there no more forget all."""
    for item in found.take_changes():
        for peer in item.peers:
            routes = heard.setdefault(peer, {})
            for prefix, attributes in item.changes.items():
                if attributes is None:
                    del routes[prefix]  # nothing is taken back that was not said
                else:
                    assert routes.get(prefix) != attributes, "only changes are said"
                    routes[prefix] = attributes


@given(st.data())
def test_changes_add_up_to_what_a_new_table_says(data: DataObject) -> None:
    found, heard = RouteTable(), dict[str, dict[Prefix, RouteAttributes]]()
    for _ in range(data.draw(st.integers(1, 25))):
        _one_step(data, found)
        if data.draw(st.booleans()):
            _hear(heard, found)
            heard = {name: heard.get(name, {}) for name in _peers_of(found)}
    _hear(heard, found)
    heard = {name: heard.get(name, {}) for name in _peers_of(found)}
    fresh = _copy(found)
    again: dict[str, dict[Prefix, RouteAttributes]] = {name: {} for name in _peers_of(fresh)}
    _hear(again, fresh)
    assert heard == again


def _peers_of(found: RouteTable) -> Iterable[str]:
    return list(found._peers)


def _copy(found: RouteTable) -> RouteTable:
    fresh = RouteTable()
    fresh.set_node(found._node)
    fresh.set_pools(found._pools.values())
    fresh.set_peers(found._peers)
    fresh.set_draining(found._is_draining)
    for spec in found._vips.values():
        fresh.put(spec)
    for address in found._with_rules:
        fresh.take_rules(address)
    return fresh
