"""Which solicited-node groups a link must be in to hear solicitations for its IPv6 addresses.

RFC 4861 §7.2.1: a node must join "the solicited-node multicast address corresponding to each of the
IP addresses assigned to the interface", which is done by MLD. Without it the NIC drops the frames
of the group, and a switch that snoops MLD does not send them. IPV6_JOIN_GROUP cares for both; the
membership of a packet socket only for the NIC.

VIPs whose last 24 bits agree share a group, so it is left only with the last of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from metallb_speaker.l2.ndp import solicited_node

_IPV6_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Groups to join and to leave, packed and sorted; both empty when nothing changes."""

    join: tuple[bytes, ...] = ()
    leave: tuple[bytes, ...] = ()


class SolicitedNodeGroups:
    """The groups of one link. Idempotent: an address counts once, however often it is added."""

    def __init__(self) -> None:
        self._members: dict[bytes, set[bytes]] = {}

    @property
    def joined(self) -> tuple[bytes, ...]:
        """All groups that the link should be in, sorted; for a caller that opens a new socket."""
        return tuple(sorted(self._members))

    def update(self, *, added: Iterable[bytes] = (), removed: Iterable[bytes] = ()) -> GroupChange:
        """Take a change of owned addresses; IPv4 ones are skipped, they have no group.

        Removed ones go first, so an address in both stays. A group that one address leaves and
        another enters in one change is not touched: there is no moment in which we are deaf.
        """
        touched: dict[bytes, bool] = {}
        for address in removed:
            group = solicited_node(address)
            members = self._members.get(group)
            if members is not None and address in members:
                touched[group] = True
                members.remove(address)
        for address in added:
            if len(address) == _IPV6_LENGTH:
                group = solicited_node(address)
                members = self._members.get(group)
                touched.setdefault(group, members is not None)
                self._members.setdefault(group, set()).add(address)
        return self._settle(touched)

    def _settle(self, touched: dict[bytes, bool]) -> GroupChange:
        """Compare the touched groups with whether they were joined before the change."""
        join: list[bytes] = []
        leave: list[bytes] = []
        for group in sorted(touched):
            is_joined, was_joined = bool(self._members[group]), touched[group]
            if is_joined and not was_joined:
                join.append(group)
            if not is_joined:
                del self._members[group]
                leave.append(group)
        return GroupChange(tuple(join), tuple(leave))
