"""Solicited-node groups by reference count."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from metallb_speaker.l2.groups import GroupChange, SolicitedNodeGroups


def v6(*addresses: str) -> tuple[bytes, ...]:
    return tuple(IPv6Address(address).packed for address in addresses)


A, B = "fd09::50", "fd0a::50"  # one group
C = "fd09::51"
GROUP_50, GROUP_51 = v6("ff02::1:ff00:50", "ff02::1:ff00:51")


@pytest.fixture
def groups() -> SolicitedNodeGroups:
    groups = SolicitedNodeGroups()
    groups.update(added=v6(A, B))
    return groups


def test_first_addresses_join_their_groups() -> None:
    groups = SolicitedNodeGroups()
    assert not groups.joined
    assert groups.update(added=v6(C, A, B)) == GroupChange(join=(GROUP_50, GROUP_51))
    assert groups.joined == (GROUP_50, GROUP_51)


def test_shared_group_is_left_with_its_last_address(groups: SolicitedNodeGroups) -> None:
    assert groups.update(removed=v6(A)) == GroupChange()
    assert groups.update(removed=v6(B)) == GroupChange(leave=(GROUP_50,))
    assert groups.joined == ()


def test_group_that_passes_from_one_address_to_another_is_not_touched(
    groups: SolicitedNodeGroups,
) -> None:
    groups.update(removed=v6(B))
    assert groups.update(added=v6(B), removed=v6(A)) == GroupChange()
    assert groups.joined == (GROUP_50,)


def test_address_added_twice_counts_once(groups: SolicitedNodeGroups) -> None:
    assert groups.update(added=v6(A, A)) == GroupChange()
    assert groups.update(removed=v6(A, B)) == GroupChange(leave=(GROUP_50,))


def test_address_in_both_stays(groups: SolicitedNodeGroups) -> None:
    assert groups.update(added=v6(A), removed=v6(A, B)) == GroupChange()
    assert groups.joined == (GROUP_50,)


def test_unknown_address_removed_changes_nothing(groups: SolicitedNodeGroups) -> None:
    assert groups.update(removed=v6("fd0b::50", C)) == GroupChange()
    assert groups.joined == (GROUP_50,)


def test_ipv4_address_has_no_group(groups: SolicitedNodeGroups) -> None:
    v4 = IPv4Address("10.9.0.50").packed
    assert groups.update(added=[v4]) == GroupChange()
    assert groups.update(removed=[v4]) == GroupChange()


def test_change_of_many_is_sorted(groups: SolicitedNodeGroups) -> None:
    many = v6(*(f"fd09::{number:x}" for number in range(0x51, 0x151)))
    change = groups.update(added=reversed(many), removed=v6(A, B))
    assert len(change.join) == 256
    assert change.join == tuple(sorted(change.join))
    assert change.leave == (GROUP_50,)
