"""The objects that say what is announced by BGP, and to whom: mirrors of them all.

    pools, advertisements, communities ──► AddressPool      (`metallb.domain.translation`)
    peers, profiles, configurations ────► Peer              (`metallb.domain.peers`)

They are tens, not thousands, and change seldom; so all is translated anew when one changed, a
moment later, since they come in bursts.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb.api import (
    bfd_profiles,
    bgp_advertisements,
    bgp_peers,
    communities,
    ip_address_pools,
    load_balancer_configurations,
    load_balancer_peers,
    load_balancer_pools,
)
from metallb.api.meta import GROUP, NATIVE_GROUP
from metallb.api.nodes import NodeObject, read_node
from metallb.domain.peers import translate_peers
from metallb.domain.translation import translate
from metallb.kube.client import Resource
from metallb.kube.reflector import Reflector
from metallb_speaker.policy.passwords import OF_PASSWORDS, SECRETS, Password, read_password
from metallb_speaker.policy.roll import NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from metallb.api.nodes import Node
    from metallb.domain.peers import PeerTranslation
    from metallb.domain.translation import Translation
    from metallb.kube.client import ApiClient
    from metallb_speaker.settings import Settings

GATHER_SECONDS = 0.05
"""How long changes are gathered before they are taken in."""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    """What the translations call it."""
    resource: Resource
    read: Callable[[Any], Any]


def _ours(plural: str) -> Resource:
    return Resource(GROUP, "v1alpha1", plural, is_namespaced=False)


def _native(plural: str, version: str = "v1beta1") -> Resource:
    return Resource(NATIVE_GROUP, version, plural)


_CONFIGURATIONS = _Kind(
    "configurations",
    _ours("metalloadbalancerconfigurations"),
    load_balancer_configurations.read_load_balancer_configuration,
)
_OF_POOLS = (
    _Kind("pools", _ours("metalloadbalancerpools"), load_balancer_pools.read_load_balancer_pool),
    _Kind("native_pools", _native("ipaddresspools"), ip_address_pools.read_ip_address_pool),
    _Kind(
        "bgp_advertisements",
        _native("bgpadvertisements"),
        bgp_advertisements.read_bgp_advertisement,
    ),
    _Kind("communities", _native("communities"), communities.read_community),
    _CONFIGURATIONS,
)
_OF_PEERS = (
    _Kind("peers", _ours("metalloadbalancerbgppeers"), load_balancer_peers.read_load_balancer_peer),
    _Kind("native_peers", _native("bgppeers", "v1beta2"), bgp_peers.read_bgp_peer),
    _Kind("profiles", _native("bfdprofiles"), bfd_profiles.read_bfd_profile),
    _CONFIGURATIONS,
)


class BgpSources:
    """Mirrors of everything that BGP needs but the VirtualIPs; tells when something changed."""

    def __init__(
        self, client: ApiClient, settings: Settings, on_change: Callable[[], None]
    ) -> None:
        self._on_change = on_change
        self._soon: asyncio.TimerHandle | None = None
        self._mirrors: dict[str, Reflector[Any]] = {
            kind.name: Reflector(
                client, kind.resource, kind.read, self._changed, chance=random.random
            )
            for kind in dict.fromkeys((*_OF_POOLS, *_OF_PEERS))
        }
        self._node: Reflector[Node] = Reflector(
            client,
            NODES,
            read_node,
            self._changed,
            chance=random.random,
            shape=NodeObject,
            fieldSelector=f"metadata.name={settings.node}",
        )
        self._passwords: Reflector[Password] = Reflector(
            client,
            SECRETS,
            read_password,
            self._changed,
            chance=random.random,
            namespace=settings.namespace,
            fieldSelector=OF_PASSWORDS,
        )

    @property
    def is_synced(self) -> bool:
        """Whether all has been told."""
        return all(mirror.synced.is_set() for mirror in self._all())

    def _all(self) -> Iterable[Reflector[Any]]:
        return (*self._mirrors.values(), self._node, self._passwords)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Give what is to run, by name."""
        for name, mirror in self._mirrors.items():
            yield f"bgp-{name}", mirror.run()
        yield "bgp-node", self._node.run()
        yield "bgp-passwords", self._passwords.run()

    async def synced(self) -> None:
        """Wait until all has been told."""
        for mirror in self._all():
            await mirror.synced.wait()

    def _changed(self, key: object, old: object, new: object) -> None:
        if old != new and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._soon = None
        if self.is_synced:
            self._on_change()

    # -- what there is -----------------------------------------------------------------------------

    def pools(self) -> Translation:
        """Translate the pools, with the advertisements that they have."""
        return translate(**self._given(_OF_POOLS))

    def peers(self) -> PeerTranslation:
        """Translate the peers."""
        return translate_peers(**self._given(_OF_PEERS))

    def _given(self, kinds: Iterable[_Kind]) -> dict[str, Any]:
        return {kind.name: tuple(self._mirrors[kind.name]) for kind in kinds}

    def node(self, name: str) -> Node | None:
        """Give this node."""
        return self._node.get(("", name))

    def password(self, key: tuple[str, str]) -> Password | None:
        """Give the password of a Secret."""
        return self._passwords.get(key)
