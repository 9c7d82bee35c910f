"""Why a Service does not get an address, in words: each refusal, of a class and of a pool."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.pool_options import Reservation
from metallb.api.services import ServicePort
from metallb.net.addresses import Family
from metallb.net.ranges import parse_range
from metallb_controller.allocator.model import Claim, ForeignUse, Objection, PoolSpace, Refusal
from metallb_controller.allocator.state import Allocator
from metallb_controller.allocator.words import explain, nothing_free, shortage

A, B = ObjectKey("ns", "a"), ObjectKey("ns", "b")
ONE = ip_address("10.0.0.1")
CLAIM = Claim("k", frozenset({ServicePort("TCP", 80), ServicePort("UDP", 53)}))
POOL, CLASS = "IPAddressPool/edge", "ingress"


def _allocator() -> Allocator:
    made = Allocator()
    kept = (Reservation(parse_range("10.0.0.3"), "team"),)
    made.set_pools(
        {
            CLASS: PoolSpace((parse_range("10.0.0.1-10.0.0.2"),)),
            POOL: PoolSpace((parse_range("10.0.0.3-10.0.0.5"),), False, False, 1, kept),
            "IPAddressPool/used": PoolSpace(
                (parse_range("10.0.0.6-10.0.0.7"),),
                foreign=(
                    ForeignUse(parse_range("10.0.0.6"), "router-1"),
                    ForeignUse(parse_range("10.0.0.7"), ""),
                ),
            ),
            "IPAddressPool/off": PoolSpace((parse_range("10.0.0.9"),), is_disabled=True),
            "IPAddressPool/six": PoolSpace((parse_range("fd00::1-fd00::9"),)),
        }
    )
    made.assign(CLASS, ONE, A, CLAIM)
    return made


@pytest.mark.parametrize(
    ("objection", "pool", "reason", "words"),
    [
        (
            Objection(Refusal.OUTSIDE), CLASS, "RequestedAddressOutsideClass",
            "10.0.0.1 is requested, but class ingress has only 10.0.0.1-10.0.0.2",
        ),
        (
            Objection(Refusal.AVOIDED), POOL, "RequestedAddressOutsidePools",
            "10.0.0.1 is requested, but pool edge does not give addresses that end in .0 or .255",
        ),
        (
            Objection(Refusal.DISABLED), POOL, "PoolDisabled",
            "10.0.0.1 is requested, but pool edge is disabled (spec.disabled)",
        ),
        (
            Objection(Refusal.RESERVED), POOL, "RequestedAddressReserved",
            "10.0.0.1 is reserved for others (spec.reservations of pool edge)",
        ),
        (
            Objection(Refusal.RETAINED, B), POOL, "RequestedAddressRetained",
            "10.0.0.1 is kept for Service ns/b, which is gone and may come back",
        ),
        (
            Objection(Refusal.QUOTA), POOL, "NamespaceQuotaReached",
            "10.0.0.1 is requested, but the namespace has all that pool edge lets one have",
        ),
        (
            Objection(Refusal.FULL), CLASS, "SharedAddressFull",
            "10.0.0.1 is shared by as many Services as can be; use another sharing key",
        ),
        (
            Objection(Refusal.HELD, A), CLASS, "RequestedAddressInUse",
            "10.0.0.1 is held by Service ns/a; to share it, both need the same sharing key",
        ),
        (
            Objection(Refusal.OTHER_KEY, A), CLASS, "RequestedAddressInUse",
            "10.0.0.1 is held by Service ns/a; to share it, both need the same sharing key",
        ),
        (
            Objection(Refusal.PORT_TAKEN, A), CLASS, "SharingRefused",
            "10.0.0.1 cannot be shared under key 'k': Service ns/a has TCP/80, UDP/53 on it",
        ),
        (
            Objection(Refusal.PORT_TAKEN, B), CLASS, "SharingRefused",
            "10.0.0.1 cannot be shared under key 'k': Service ns/b has  on it",
        ),
        (
            Objection(Refusal.OTHER_POLICY, A), CLASS, "SharingRefused",
            "10.0.0.1 cannot be shared under key 'k' with Service ns/a: both need",
        ),
    ],
)  # fmt: skip
def test_each_refusal_has_its_words(
    objection: Objection, pool: str, reason: str, words: str
) -> None:
    found = explain(objection, ONE, pool, CLAIM, _allocator())
    assert found.reason == reason
    assert found.message.startswith(words)


def test_every_refusal_has_words() -> None:
    for refusal in Refusal:
        assert explain(Objection(refusal), ONE, POOL, CLAIM, _allocator()).message


@pytest.mark.parametrize(
    ("pool", "family", "new", "reason", "words"),
    [
        (CLASS, Family.IPV6, 0, "FamilyNotInClass", "class ingress has no IPv6 addresses"),
        (POOL, Family.IPV6, 0, "FamilyNotInPools", "pool edge has no IPv6 addresses"),
        ("IPAddressPool/off", Family.IPV4, 0, "PoolDisabled", "pool off is disabled"),
        (POOL, Family.IPV4, 1, "NamespaceQuotaReached", "the namespace has all that pool edge"),
        (
            POOL, Family.IPV4, 0, "NoFreeAddress",
            "pool edge has no free IPv4 address (3 in its ranges, 1 of them reserved for others)",
        ),
        (
            "IPAddressPool/used", Family.IPV4, 0, "NoFreeAddress",
            "pool used has no free IPv4 address (2 in its ranges, 2 of them reserved in IPAM)",
        ),
        (
            CLASS, Family.IPV4, 0, "NoFreeAddress",
            "class ingress has no free IPv4 address (2 in its ranges)",
        ),
    ],
)  # fmt: skip
def test_why_a_pool_has_nothing(
    pool: str, family: Family, new: int, reason: str, words: str
) -> None:
    found = shortage(_allocator(), pool, family, B, new)
    assert found.reason == reason
    assert found.words.startswith(words)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.0.0.6", "10.0.0.6 is reserved in IPAM by router-1; request another one"),
        ("10.0.0.7", "10.0.0.7 is reserved in IPAM; request another one"),
    ],
)
def test_who_has_an_address_in_an_ipam_is_told(address: str, words: str) -> None:
    found = explain(
        Objection(Refusal.IN_IPAM), ip_address(address), "IPAddressPool/used", CLAIM, _allocator()
    )
    assert found.reason == "RequestedAddressInIPAM"
    assert found.message.startswith(words)


def test_the_gravest_reason_and_the_alternatives_are_told() -> None:
    pools = ("IPAddressPool/off", POOL)
    found = nothing_free(_allocator(), pools, (POOL, "IPAddressPool/six"), Family.IPV6, B, {})
    assert found.reason == "FamilyNotInPools"
    assert found.message == (
        "no available IPs: pool off has no IPv6 addresses; pool edge has no IPv6 addresses; "
        "pool six has 9 free: ask for it with annotation network.deckhouse.io/load-balancer-pool"
    )


def test_many_pools_without_alternatives() -> None:
    found = nothing_free(_allocator(), [CLASS] * 6, (POOL,), Family.IPV6, B, {})
    assert found.message.endswith(" and 1 more pools are no better; add a range to a pool")
