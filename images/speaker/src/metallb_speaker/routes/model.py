"""Words of the decisions about routes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.domain.address_pools import BGPAdvertisement
    from metallb.net.addresses import IPAddress
    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.prefixes import Prefix


class Silence(StrEnum):
    """Why this node does not announce a VIP by BGP, in the order in which they are looked at.

    The words are MetalLB's (metallb.md §4.4), but for the last.
    """

    NOT_OWNER = "notOwner"
    """No advertisement of the pool is for this node."""
    NO_MATCHING_ADVERTISEMENT = "noMatchingAdvertisement"
    """None of those that are is for the Services that hold the address."""
    CONFLICTING_ADVERTISEMENTS = "conflictingAdvertisements"
    """Two give one prefix different local preferences, to the same peers."""
    NODE_NETWORK_UNAVAILABLE = "nodeNetworkUnavailable"
    NODE_LABELED_EXCLUDE_BALANCERS = "nodeLabeledExcludeBalancers"
    NO_LOCAL_ENDPOINTS = "noLocalEndpoints"
    """With the policy Local: no endpoint on this node that can serve."""
    NO_ENDPOINTS = "noEndpoints"
    KUBE_PROXY_NOT_READY = "kubeProxyNotReady"
    """With the policy Local: this node's kube-proxy has no rules for the endpoints yet. It keeps
    back what is not announced, for a while; what is announced stays.
    """


class Share(NamedTuple):
    """What one advertisement makes of one address: a prefix, and how it is announced."""

    prefix: Prefix
    advertisement: BGPAdvertisement


@dataclass(frozen=True, slots=True)
class Verdict:
    """What this node announces for a VIP; of `silence` and `shares` exactly one is there."""

    silence: Silence | None = None
    shares: tuple[Share, ...] = ()
    weight: int = 0
    """How many endpoints this node has; 0: it is not told."""
    ports: tuple[int, ...] = ()
    """Where kube-proxy can be asked, if it is what the VIP waits for."""


RouteChanges = dict["Prefix", "RouteAttributes | None"]
"""Routes that are other than before; None: withdrawn."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A VIP that was announced and is not, or the other way round, or is silent for another reason.

    None: it is (or was) announced, or it is not for BGP.
    """

    address: IPAddress
    before: Silence | None
    now: Silence | None


FAULTS = frozenset((Silence.CONFLICTING_ADVERTISEMENTS,))
"""Reasons that somebody has to mend; the others are wished, or pass."""


@dataclass(frozen=True, slots=True)
class PeerChanges:
    """What some peers are to hear, all the same."""

    peers: tuple[str, ...]
    changes: Mapping[Prefix, RouteAttributes | None]
