"""One object among all others: what is refused, and what is a warning (metallb.md §7).

Each row names the rule. `errors` and `warnings` are what the sentences must have in them, in order;
there are no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.domain.validation import validate, validate_deletion
from metallb.domain.verdicts import Verdict
from support.everything import everything_of, written

Item = tuple[str, Any]


@dataclass(frozen=True)
class Row:
    rule: str
    item: Item
    others: tuple[Item, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def native(name: str, *addresses: str, **spec: Any) -> Item:
    return written("IPAddressPool", name, addresses=list(addresses), **spec)


def metal(name: str, *addresses: str, **spec: Any) -> Item:
    return written("MetalLoadBalancerPool", name, addresses=list(addresses), **spec)


def clas(name: str, *addresses: str, **spec: Any) -> Item:
    return written("MetalLoadBalancerClass", name, addressPool=list(addresses), **spec)


def bgp(name: str = "adv", **spec: Any) -> Item:
    return written("BGPAdvertisement", name, **spec)


def peer(name: str, **spec: Any) -> Item:
    least = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1"}
    return written("BGPPeer", name, **least | spec)


def configured(**spec: Any) -> Item:
    return written("MetalLoadBalancerConfiguration", "main", **{"mode": "BGP"} | spec)


def on(**labels: str) -> dict[str, Any]:
    return {"nodeSelectors": [{"matchLabels": labels}]}


def names(name: str, *aliases: str) -> Item:
    items = [{"name": alias, "value": "1:1"} for alias in aliases]
    return written("Community", name, communities=items)


EDGE = native("edge", "10.0.0.0/24")
CORE = metal("core", "10.1.0.0/24")
R1 = written("MetalLoadBalancerBGPPeer", "r1", peerAddress="192.0.2.1", peerASN=1, myASN=2)
NODES = (written("Node", "a", role="a"), written("Node", "b", role="b", zone="z"))
RESERVED = {"addresses": ["10.0.0.1"], "namespace": "web"}

POOLS = [
    Row("§7 alone", EDGE),
    Row("§7 not itself", EDGE, (EDGE,)),
    Row("§7 side by side", EDGE, (native("x", "10.0.1.0/24"), native("y", "fd00::/64"))),
    Row(
        "§7 overlapping pools",
        native("new", "10.9.0.0/24", "10.0.0.128-10.0.1.9"),
        (EDGE,),
        errors=(
            (
                ".spec.addresses[1]: 10.0.0.128-10.0.1.9 has addresses of 10.0.0.0/24 of "
                "IPAddressPool edge (10.0.0.128-10.0.0.255); each address can be in one pool, once"
            ),
        ),
    ),
    Row(
        "§7 overlapping pools, IPv6",
        native("new", "fd00::5"),
        (native("x", "fd00::/64"),),
        errors=(".spec.addresses[0]: fd00::5 has addresses of fd00::/64 of IPAddressPool x",),
    ),
    Row(
        "§1.12 overlap within a pool",
        native("new", "10.9.0.0/24", "10.9.0.7", "10.9.1.0/24", "fd00::/126", "fd00::3"),
        errors=(
            ".spec.addresses[1]: 10.9.0.7 has addresses of 10.9.0.0/24 of this pool (10.9.0.7)",
            ".spec.addresses[4]: fd00::3 has addresses of fd00::/126 of this pool",
        ),
    ),
    Row(
        "§1.12 overlap within a pool, not of neighbours",
        native("new", "10.0.0.0/16", "10.0.0.1-10.0.0.2", "10.0.9.9"),
        errors=("10.0.0.1-10.0.0.2 has addresses of 10.0.0.0/16", "10.0.9.9 has addresses of"),
    ),
    Row(
        "many overlaps are not all told",
        native("new", "10.0.0.0/8"),
        tuple(native(f"x{index}", f"10.0.{index}.0/24") for index in range(5)),
        errors=("of IPAddressPool x0", "of IPAddressPool x1", "of IPAddressPool x2", "and more of"),
    ),
    Row(
        "between the dialects it is a warning",
        native("new", "10.1.0.7"),
        (CORE, clas("front", "10.1.0.7")),
        warnings=("of MetalLoadBalancerPool core", "of MetalLoadBalancerClass front"),
    ),
    Row(
        "Deckhouse: a warning, and a condition",
        clas("front", "10.2.0.1", "10.2.0.1"),
        (clas("back", "10.2.0.0/24"),),
        warnings=(
            ".spec.addressPool[0]: 10.2.0.1 has addresses of 10.2.0.0/24 of MetalLoadBalancerClass",
            ".spec.addressPool[1]: 10.2.0.1 has addresses of 10.2.0.0/24 of MetalLoadBalancerClass",
            ".spec.addressPool[1]: 10.2.0.1 has addresses of 10.2.0.1 of this pool",
        ),
    ),
    Row(
        "Deckhouse: a warning, and a condition",
        metal("new", "10.1.0.0/24"),
        (CORE,),
        warnings=(".spec.addresses[0]: 10.1.0.0/24 has addresses of 10.1.0.0/24 of MetalLoad",),
    ),
    Row("one default class", clas("front", isDefault=True), (clas("back"),)),
    Row(
        "two default classes",
        clas("front", isDefault=True),
        (clas("back", isDefault=True), clas("front", isDefault=True)),
        warnings=(".spec.isDefault: class back is a default one too",),
    ),
    Row(
        "reservations",
        native("new", "10.0.0.0/24", reservations=[RESERVED, RESERVED | {"service": "site"}]),
        warnings=(
            ".spec.reservations: 10.0.0.1 is reserved for namespace web and web/site; the first",
        ),
    ),
    Row(
        "reservations",
        clas("front", "10.0.0.2", reservations=[RESERVED, RESERVED]),
        warnings=(".spec.reservations: 10.0.0.1 is in no range of the pool",),
    ),
    Row(
        "§4.3, §7 [Q] a pool is judged against advertisements too",
        native("new", "1.1.1.0/28"),
        (bgp(aggregationLength=26), bgp("other", ipAddressPools=["edge"], aggregationLength=24)),
        errors=(
            (
                ".spec.addresses: BGPAdvertisement adv .spec.aggregationLength: 26 is wider than "
                "1.1.1.0/28 of pool new; at least 28 is wanted"
            ),
        ),
    ),
    Row(
        "§4.3, §7 [Q] a pool is judged against advertisements too",
        native("new", "10.5.0.0/24", labels={"a": "b"}),
        (
            bgp("one", localPref=1, ipAddressPools=["new"]),
            bgp("two", localPref=2, ipAddressPoolSelectors=[{"matchLabels": {"a": "b"}}]),
        ),
        errors=(".spec.addresses: BGPAdvertisement two .spec.localPref: 2 is not the 1 of one",),
    ),
    Row("§4.3 one preference", EDGE, (bgp("one", localPref=1), bgp("two", localPref=1))),
    Row(
        "§4.3 Deckhouse's pool against configurations",
        metal("new", "10.5.0.0/28"),
        (
            configured(
                bgp={"peerNames": ["r1"]},
                advertisements=[
                    {"poolNames": ["core"], "bgp": {"aggregationLength": 8}},
                    {"poolNames": ["new"], "bgp": {"aggregationLength": 24}},
                ],
            ),
        ),
        errors=(
            (
                ".spec.addresses: MetalLoadBalancerConfiguration main "
                ".spec.advertisements[1].bgp.aggregationLength: 24 is wider than 10.5.0.0/28"
            ),
        ),
    ),
]

ADVERTISEMENTS = [
    Row("§2 all pools", bgp(aggregationLength=24), (EDGE,)),
    Row(
        "§8.8.68 aggregation 26 on 1.1.1.0/28",
        bgp(aggregationLength=26),
        (EDGE, native("x", "1.1.1.0/28")),
        errors=(".spec.aggregationLength: 26 is wider than 1.1.1.0/28 of pool x; at least 28",),
    ),
    Row(
        "§4.3 by name",
        bgp(aggregationLengthV6=64, ipAddressPools=["x", "edge"]),
        (EDGE, native("x", "fd00::/120"), native("y", "fd01::/120")),
        errors=(".spec.aggregationLengthV6: 64 is wider than fd00::/120 of pool x; at least 120",),
    ),
    Row(
        "§4.3 by label",
        bgp(aggregationLength=8, ipAddressPoolSelectors=[{"matchLabels": {"a": "b"}}]),
        (EDGE, native("x", "10.7.0.0/16", labels={"a": "b"})),
        errors=(".spec.aggregationLength: 8 is wider than 10.7.0.0/16 of pool x; at least 16",),
    ),
    Row(
        "what does not exist yet",
        bgp(ipAddressPools=["x"], peers=["y"], communities=["z", "no-export", "none", "w", "1:1"]),
        (names("n", "w"),),
        warnings=(
            ".spec.ipAddressPools[0]: there is no IPAddressPool 'x' yet",
            ".spec.peers[0]: there is no BGPPeer 'y' yet",
            ".spec.communities[0]: no Community object has the name 'z' yet",
        ),
    ),
    Row("what exists", bgp(ipAddressPools=["edge"], peers=["p"]), (EDGE, peer("p"))),
    Row(
        "L2: what does not exist yet",
        written("L2Advertisement", "l2", ipAddressPools=["edge", "x"]),
        (EDGE,),
        warnings=(".spec.ipAddressPools[1]: there is no IPAddressPool 'x' yet",),
    ),
    Row(
        "Deckhouse: what does not exist yet",
        configured(bgp={"peerNames": ["r1", "r2"]}, advertisements=[{"poolNames": ["core", "x"]}]),
        (CORE, R1),
        warnings=(
            ".spec.advertisements[0].poolNames[1]: there is no MetalLoadBalancerPool 'x' yet",
            ".spec.bgp.peerNames[1]: there is no MetalLoadBalancerBGPPeer 'r2' yet",
        ),
    ),
    Row(
        "Deckhouse: nobody to announce to",
        configured(advertisements=[{"poolNames": ["core"]}]),
        (CORE,),
        warnings=(".spec.bgp.peerNames: no peer is named, so nothing is announced",),
    ),
    Row(
        "Deckhouse: §4.3",
        configured(
            bgp={"peerNames": ["r1"]},
            advertisements=[
                {"poolNames": ["core"], "bgp": {"localPref": 1}},
                {"poolNames": ["core"], "bgp": {"localPref": 2}},
                {"poolNames": ["core"], "bgp": {"localPref": 3, "aggregationLength": 20}},
            ],
        ),
        (CORE, R1),
        errors=(
            (
                ".spec.advertisements[1].bgp.localPref: 2 is not the 1 of main-adv-0 for the same "
                "prefixes of pool core; let them differ in length, in peers or in nodes"
            ),
            ".spec.advertisements[2].bgp.aggregationLength: 20 is wider than 10.1.0.0/24",
        ),
    ),
]


@pytest.mark.parametrize("row", [*POOLS, *ADVERTISEMENTS], ids=lambda row: row.rule)
def test_rules(row: Row) -> None:
    kind, parsed = row.item
    found = validate(kind, parsed, everything_of(row.others))
    for wanted, said in ((row.errors, found.errors), (row.warnings, found.warnings)):
        assert len(wanted) == len(said), said
        for part, text in zip(wanted, said, strict=True):
            assert part in text


V4, V6 = native("pool", "10.0.0.0/24"), native("pool", "fd00::/64")
BOTH = native("pool", "10.0.0.0/24", "fd00::/64")
A, B = on(role="a"), on(role="b")


@pytest.mark.parametrize(
    ("rule", "pool", "one", "other", "others", "conflicts"),
    [
        ("the same", V4, {}, {"localPref": 0}, (), False),
        ("another preference", V4, {}, {}, (), True),
        ("IPv4, another length", V4, {}, {"aggregationLength": 24}, (), False),
        ("IPv4, another length of IPv6", V4, {}, {"aggregationLengthV6": 64}, (), True),
        ("IPv6, another length", V6, {}, {"aggregationLengthV6": 64}, (), False),
        ("IPv6, another length of IPv4", V6, {}, {"aggregationLength": 24}, (), True),
        ("both, another length of one", BOTH, {}, {"aggregationLength": 24}, (), True),
        (
            "both, another length of both",
            BOTH,
            {},
            {"aggregationLength": 24, "aggregationLengthV6": 64},
            (),
            False,
        ),
        ("other peers", V4, {"peers": ["p"]}, {"peers": ["q"]}, (), False),
        ("a peer in common", V4, {"peers": ["p"]}, {"peers": ["q", "p"]}, (), True),
        ("all peers", V4, {"peers": ["p"]}, {}, (), True),
        ("other nodes", V4, A, B, NODES, False),
        ("a node in common", V4, A, on(zone="z"), NODES, False),
        ("a node in common", V4, B, on(zone="z"), NODES, True),
        ("all nodes", V4, A, {}, NODES, True),
        ("no node at all", V4, on(role="x"), on(role="x"), NODES, False),
        ("nodes are not known: other selectors", V4, A, B, (), False),
        ("nodes are not known: the same selector", V4, A, A, (), True),
        ("nodes are not known: no selector", V4, A, {}, (), True),
        ("Services are told apart later", V4, {"serviceSelectors": [{}]}, {}, (), False),
        ("Services are told apart later", V4, {}, {"serviceSelectors": [{}]}, (), False),
        ("another pool", V4, {"ipAddressPools": ["pool"]}, {"ipAddressPools": ["x"]}, (), False),
    ],
)
def test_two_preferences_for_one_prefix(
    rule: str,
    pool: Item,
    one: dict[str, Any],
    other: dict[str, Any],
    others: tuple[Item, ...],
    conflicts: bool,
) -> None:
    """metallb.md §4.3, §8.2.19."""
    first, second = bgp("one", **one), bgp("two", **{"localPref": 7} | other)
    for item, rival in ((first, second), (second, first)):
        found = validate(*item, everything_of((*others, pool, rival)))
        assert [text.partition(":")[0] for text in found.errors] == (
            [".spec.localPref"] if conflicts else []
        ), rule


@pytest.mark.parametrize(
    ("rule", "one", "other", "others", "is_refused"),
    [
        ("§8.8.68 the same address", {}, {}, (), True),
        ("another address", {}, {"peerAddress": "192.0.2.2"}, (), False),
        ("another port", {}, {"peerPort": 1179}, (), False),
        ("another source", {}, {"sourceAddress": "192.0.2.9"}, (), False),
        ("another VRF", {}, {"vrf": "red"}, (), False),
        ("§8.8.68 other nodes", A, B, NODES, False),
        ("§8.8.68 overlapping nodes", B, on(zone="z"), NODES, True),
        ("other selectors, nodes not known", A, B, (), False),
        ("no peer at all", {"peerAddress": "x"}, {"peerAddress": "x"}, (), False),
    ],
)
def test_two_peers_that_are_one_session(
    rule: str,
    one: dict[str, Any],
    other: dict[str, Any],
    others: tuple[Item, ...],
    is_refused: bool,
) -> None:
    found = validate(*peer("one", **one), everything_of((*others, peer("two", **other))))
    assert bool(found.errors) == is_refused, rule
    assert all(text.startswith(".spec.peerAddress: BGPPeer two is the") for text in found.errors)


def test_a_profile_may_come_later() -> None:
    """metallb.md §7: references that could be created later."""
    found = validate(*peer("one", bfdProfile="fast"), everything_of(()))
    assert found == Verdict(warnings=(".spec.bfdProfile: there is no BFDProfile 'fast' yet",))
    known = everything_of([written("BFDProfile", "fast")])
    assert validate(*peer("one", bfdProfile="fast"), known) == Verdict()


def test_a_peer_that_is_watched_by_echoes_may_hear_of_ipv6() -> None:
    """metallb.md §2 refuses it for an engine that has no echoes over IPv6; ours has."""
    items = [
        written("BFDProfile", "fast", echoMode=True),
        peer("router", bfdProfile="fast"),
        bgp(ipAddressPools=["pool"], peers=["router"]),
        V6,
    ]
    for item in items:
        assert validate(*item, everything_of(items)) == Verdict()


def test_a_name_for_a_community_is_given_once() -> None:
    """metallb.md §2, §8.8.68."""
    known = everything_of([names("old", "a", "b"), names("new", "a")])
    assert validate(*names("new", "c", "b"), known).errors == (
        ".spec.communities[1].name: 'b' is a name in Community old already; choose another",
    )
    assert validate(*names("old", "a", "b", "c"), everything_of([names("old", "a")])) == Verdict()


@pytest.mark.parametrize("item", [written("BFDProfile", "fast"), R1])
def test_what_has_no_rules_among_others(item: Item) -> None:
    assert validate(*item, everything_of([item])) == Verdict()


def test_a_thousand_faults_are_not_all_told() -> None:
    found = validate(*bgp(peers=[f"p{index}" for index in range(1000)]), everything_of(()))
    assert len(found.warnings) == 21
    assert found.warnings[-1] == "and 980 more"


def test_of_an_advertisement_that_is_too_wide_for_many_a_few_are_told() -> None:
    pools = [native(f"p{index:03}", f"10.0.{index}.0/24") for index in range(100)]
    for names in ([], [f"p{index:03}" for index in range(100)]):
        wide = bgp(aggregationLength=20, ipAddressPools=names)
        found = validate(*wide, everything_of(pools))
        assert len(found.errors) == 20
        assert "20 is wider than 10.0." in found.errors[0]
        assert found.errors[-1] == "and more of that sort"


def test_what_both_cover_is_found_however_they_choose() -> None:
    """By name, by label, both, or all: each way round."""
    red = {"ipAddressPoolSelectors": [{"matchLabels": {"team": "red"}}]}
    blue = {"ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}
    pools = [
        written("IPAddressPool", "a", labels={"team": "red"}, addresses=["10.0.0.0/24"]),
        written("IPAddressPool", "b", labels={"team": "blue"}, addresses=["10.0.1.0/24"]),
    ]
    in_common: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {}, "a"), ({}, blue, "b"), (red, red, "a"), (red, {"ipAddressPools": ["a"]}, "a"),
        ({"ipAddressPools": ["b"]}, {"ipAddressPools": ["b"]}, "b"),
        (red | {"ipAddressPools": ["b"]}, blue, "b"),
    ]  # fmt: skip
    apart: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (red, blue),
        ({"ipAddressPools": ["a"]}, blue),
        (red, {"ipAddressPools": ["b"]}),
    ]
    for one, other, pool in in_common:
        for first, second in ((one, other), (other, one)):
            known = everything_of([*pools, bgp("two", localPref=7, **second)])
            [error] = validate(*bgp("one", **first), known).errors
            assert f"of pool {pool};" in error
    for first, second in [*apart, *((other, one) for one, other in apart)]:
        known = everything_of([*pools, bgp("two", localPref=7, **second)])
        assert validate(*bgp("one", **first), known).errors == ()


# -- deletions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "kind", "name", "others", "errors", "warnings"),
    [
        ("§7 BFD profile", "BFDProfile", "fast", [peer("p")], "", ""),
        (
            "§7 BFD profile in use",
            "BFDProfile",
            "fast",
            [peer("p", bfdProfile="fast"), peer("q", bfdProfile="fast")],
            "BFDProfile fast is named by BGPPeer p, BGPPeer q; name another profile there first",
            "",
        ),
        (
            "pool",
            "IPAddressPool",
            "edge",
            [
                bgp(ipAddressPools=["edge"]),
                bgp("all"),
                written("L2Advertisement", "l2", ipAddressPools=["edge"]),
            ],
            "",
            "IPAddressPool edge is named by BGPAdvertisement adv, L2Advertisement l2",
        ),
        (
            "peer",
            "BGPPeer",
            "p",
            [bgp(f"a{index}", peers=["p"]) for index in range(5)],
            "",
            (
                "BGPPeer p is named by BGPAdvertisement a0, BGPAdvertisement a1, "
                "BGPAdvertisement a2 and 2 more"
            ),
        ),
        (
            "Deckhouse's peer",
            "MetalLoadBalancerBGPPeer",
            "r1",
            [configured(bgp={"peerNames": ["r1"]})],
            "",
            "MetalLoadBalancerBGPPeer r1 is named by MetalLoadBalancerConfiguration main",
        ),
        (
            "Deckhouse's pool",
            "MetalLoadBalancerPool",
            "core",
            [configured(advertisements=[{"poolNames": ["core"]}])],
            "",
            "MetalLoadBalancerPool core is named by MetalLoadBalancerConfiguration main",
        ),
        (
            "names of communities",
            "Community",
            "n",
            [names("n", "x"), bgp(communities=["x"]), bgp("other", communities=["y"])],
            "",
            "Community n is named by BGPAdvertisement adv",
        ),
        ("names that are not known", "Community", "n", [bgp(communities=["x"])], "", ""),
        ("class", "MetalLoadBalancerClass", "front", [], "", ""),
    ],
)
def test_what_is_in_use_is_not_deleted_in_silence(
    rule: str, kind: str, name: str, others: list[Item], errors: str, warnings: str
) -> None:
    namespace = "" if kind.startswith("Metal") else "metallb-system"
    found = validate_deletion(kind, ObjectKey(namespace, name), everything_of(others))
    assert found == Verdict((errors,) if errors else (), (warnings,) if warnings else ()), rule
