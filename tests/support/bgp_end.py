"""Our end of a cable: a speaker with one peer, a router at the other end."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Self

from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.peering.config import PeerConfig
from metallb_speaker.peering.peering import Peering
from support.cable import FAR_IPV4, NEAR_IPV4
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.prefixes import Prefix
    from metallb_speaker.peering.status import PeerStatus

OUR_ASN, THEIR_ASN = 4_200_000_001, 64512
NAME = "router"
SESSION = SessionConfig(NAME, OUR_ASN, THEIR_ASN, int(IPv4Address(NEAR_IPV4)))


def wanted(address: str | None = FAR_IPV4, **changes: Any) -> PeerConfig:
    """Settings for the router; of the session's own ones too."""
    of_session = set(SessionConfig.__dataclass_fields__)
    inner = {name: value for name, value in changes.items() if name in of_session}
    outer = {name: value for name, value in changes.items() if name not in of_session}
    where: IPv4Address | IPv6Address | None = ip_address(address) if address else None
    made = PeerConfig(replace(SESSION, **inner), where, interface="eth0")
    return replace(made, **outer)


class BgpEnd:
    """A speaker of ours; use as an asynchronous context manager."""

    def __init__(
        self,
        config: PeerConfig,
        routes: Mapping[Prefix, RouteAttributes] | None = None,
        **settings: Any,
    ) -> None:
        self.peering = Peering(**settings)
        self.config = config
        self._routes = dict(routes or {})

    async def __aenter__(self) -> Self:
        await self.peering.start()
        self.routes(self._routes)
        self.apply(self.config)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peering.close()

    def apply(self, config: PeerConfig) -> None:
        """Have other settings."""
        self.config = config
        assert self.peering.apply({NAME: config}) == {}

    def routes(self, changes: Mapping[Prefix, RouteAttributes | None]) -> None:
        """Announce and withdraw."""
        self.peering.routes({NAME: changes})

    @property
    def status(self) -> PeerStatus:
        """How it stands."""
        return self.peering.statuses()[NAME]

    async def up(self) -> PeerStatus:
        """Wait until the session is up."""
        await until(lambda: self.status.is_up, f"Established; {self.status.last_error}")
        return self.status

    async def ended(self, says: str) -> None:
        """Wait until a connection has ended with these words."""
        await until(lambda: says in (self.status.last_error or ""), f"{self.status.last_error}")
