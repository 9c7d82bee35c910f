"""Whether this node announces a VIP, and by which prefixes (metallb.md §4.3, §4.4).

The controller has said in the VirtualIP which advertisements are for its Services and, under the
policy Local, which nodes have endpoints. What concerns this node alone is decided here: its labels,
its conditions, and which of the advertisements are for it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from metallb.api.selectors import any_matches
from metallb.api.virtual_ips import Suspension
from metallb_speaker.bgp.iana import Afi
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.routes.model import Share, Silence, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.api.nodes import Node
    from metallb.api.virtual_ips import BGPOrders, VirtualIPSpec
    from metallb.domain.address_pools import AddressPool, BGPAdvertisement
    from metallb.net.addresses import IPAddress


def verdict(
    spec: VirtualIPSpec, pool: AddressPool | None, node: Node | None, *, has_rules: bool = True
) -> Verdict:
    """Decide about a VIP that is to be announced by BGP.

    `has_rules`: this node's kube-proxy has rules for the endpoints, or is waited for no longer.
    """
    orders = spec.bgp
    if orders is None or pool is None or node is None:
        return Verdict(Silence.NOT_OWNER)
    mine = [item for item in pool.bgp if any_matches(item.node_selectors, node.labels)]
    shares = shares_of(spec.address, [each for each in mine if each.name in orders.advertisements])
    silence = _silence(orders, mine, shares, node)
    if silence is not None:
        return Verdict(silence)
    if orders.health_check_ports and not has_rules:
        return Verdict(Silence.KUBE_PROXY_NOT_READY, ports=orders.health_check_ports)
    return Verdict(shares=shares, weight=orders.weight_of(node.name))


def _silence(
    orders: BGPOrders,
    mine: Sequence[BGPAdvertisement],
    shares: Sequence[Share],
    node: Node,
) -> Silence | None:
    if not mine:
        return Silence.NOT_OWNER
    if not shares:
        return Silence.NO_MATCHING_ADVERTISEMENT
    if any(_conflict(one, other) for one, other in combinations(shares, 2)):
        return Silence.CONFLICTING_ADVERTISEMENTS
    if not node.is_network_available:
        return Silence.NODE_NETWORK_UNAVAILABLE
    if node.is_excluded:
        return Silence.NODE_LABELED_EXCLUDE_BALANCERS
    if orders.suspended is Suspension.NO_READY_ENDPOINTS:
        return Silence.NO_ENDPOINTS
    if orders.nodes is not None and node.name not in orders.nodes:
        return Silence.NO_LOCAL_ENDPOINTS
    return None


def _conflict(one: Share, other: Share) -> bool:
    """Tell whether two advertisements contradict each other: to nobody can both be said."""
    if one.prefix != other.prefix:
        return False
    if one.advertisement.local_pref == other.advertisement.local_pref:
        return False
    peers, others = one.advertisement.peers, other.advertisement.peers
    return not (peers and others) or not set(peers).isdisjoint(others)


def shares_of(address: IPAddress, items: Sequence[BGPAdvertisement]) -> tuple[Share, ...]:
    """Give the prefixes of an address by each of some advertisements."""
    return tuple(Share(_prefix(address, _length(address, item)), item) for item in items)


def _length(address: IPAddress, item: BGPAdvertisement) -> int:
    return item.aggregation_length if address.version == 4 else item.aggregation_length_v6


@lru_cache(65_536)
def _prefix(address: IPAddress, length: int) -> Prefix:
    """Cut an address to a prefix."""
    octets = (length + 7) // 8
    spare = 8 * octets - length
    number = int.from_bytes(address.packed[:octets], "big") >> spare << spare
    afi = Afi.IPV4 if address.version == 4 else Afi.IPV6
    return Prefix(afi, bytes((length,)) + number.to_bytes(octets, "big"))
