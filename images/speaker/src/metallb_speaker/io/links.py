"""The interfaces of this node, followed by netlink (pyroute2).

The table is read once and then kept by the kernel's messages; when the kernel says that it has lost
some (ENOBUFS), it is read again. Only interfaces on which a VIP may be announced come out: up, with
carrier, broadcast, with a MAC, no member of a bridge or bond (in a VRF it may be), and not one of
those that container networks make (`EXCLUDED`, MetalLB's list).
"""

from __future__ import annotations

import errno
import logging
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from typing import TYPE_CHECKING, Any

from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyroute2 import AsyncIPRoute

EXCLUDED = (
    r"^(docker|cbr|dummy|virbr|lxcbr|veth|lo$|cali|tunl|flannel|kube-ipvs|cni|nodelocaldns|lxc"
    r"|cilium|kube-bridge|nerdctl|podman)"
)

_IFF_UP, _IFF_BROADCAST, _IFF_LOOPBACK, _IFF_NOARP = 0x1, 0x2, 0x8, 0x80
_IFF_LOWER_UP = 0x10000
_IFA_F_TENTATIVE, _IFA_F_DADFAILED = 0x40, 0x08

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UsableLink:
    """An interface on which VIPs may be announced: as ARP and NDP see it, and its addresses."""

    link: Link
    addresses: tuple[IPv4Interface | IPv6Interface, ...]

    @property
    def name(self) -> str:
        """Name of the interface."""
        return self.link.name


@dataclass(slots=True)
class _Interface:
    name: str = ""
    flags: int = 0
    is_member: bool = False
    mac: str = ""
    addresses: dict[str, int] = field(default_factory=dict)


class LinkTable:
    """The interfaces as the kernel's messages tell them; no I/O.

    `apply` takes a message of pyroute2 (anything with its `get`).
    """

    def __init__(self, excluded: str = EXCLUDED) -> None:
        self._excluded = re.compile(excluded)
        self._interfaces: dict[int, _Interface] = {}
        self._usable: dict[int, UsableLink] = {}

    def apply(self, message: Any) -> bool:
        """Take in a message; tells whether what is usable has changed."""
        event = message.get("event")
        if event in ("RTM_NEWLINK", "RTM_DELLINK"):
            self._apply_link(message, is_new=event == "RTM_NEWLINK")
        elif event in ("RTM_NEWADDR", "RTM_DELADDR"):
            self._apply_address(message, is_new=event == "RTM_NEWADDR")
        else:
            return False
        return self._judge(int(message.get("index")))

    def _apply_link(self, message: Any, *, is_new: bool) -> None:
        index = int(message.get("index"))
        if message.get("family"):
            return  # about a bridge port, or another layer's view of the link
        if not is_new:
            self._interfaces.pop(index, None)
            return
        found = self._interfaces.setdefault(index, _Interface())
        found.name = str(message.get("ifname") or found.name)
        found.flags = int(message.get("flags") or 0)
        found.mac = str(message.get("address") or "")
        is_in_vrf = message.get(("linkinfo", "slave_kind")) == "vrf"
        found.is_member = bool(message.get("master")) and not is_in_vrf

    def _apply_address(self, message: Any, *, is_new: bool) -> None:
        found = self._interfaces.get(int(message.get("index")))
        address = message.get("local") or message.get("address")
        if found is None or address is None:
            return
        text = f"{address}/{message.get('prefixlen')}"
        if is_new:
            found.addresses[text] = int(message.get("flags") or 0)
        else:
            found.addresses.pop(text, None)

    def _judge(self, index: int) -> bool:
        """Look again whether an interface is usable; tells whether that has changed."""
        item = self._interfaces.get(index)
        before, now = self._usable.get(index), None
        if item is not None:
            now = self._as_usable(index, item)
        if now is not None:
            self._usable[index] = now
        else:
            self._usable.pop(index, None)
        return now != before

    def usable(self) -> dict[str, UsableLink]:
        """Give the interfaces on which VIPs may be announced, by name."""
        return {link.name: link for _, link in sorted(self._usable.items())}

    def _as_usable(self, index: int, item: _Interface) -> UsableLink | None:
        wanted = _IFF_UP | _IFF_BROADCAST | _IFF_LOWER_UP
        if item.flags & wanted != wanted or item.flags & (_IFF_LOOPBACK | _IFF_NOARP):
            return None
        if item.is_member or self._excluded.match(item.name):
            return None
        try:
            mac = MacAddress.parse(item.mac)
        except ValueError:
            return None
        unusable = _IFA_F_TENTATIVE | _IFA_F_DADFAILED
        addresses = [
            ip_interface(text) for text, flags in item.addresses.items() if not flags & unusable
        ]
        link_local = next(
            (one.ip for one in addresses if one.ip.is_link_local and one.version == 6), None
        )
        link = Link(
            item.name, index, mac, link_local if isinstance(link_local, IPv6Address) else None
        )
        routable = [one for one in addresses if not one.ip.is_link_local]
        return UsableLink(link, tuple(sorted(routable, key=lambda one: (one.version, one))))


class LinkMonitor:
    """Keeps a `LinkTable` and calls `on_change` when what is usable changes."""

    def __init__(
        self, on_change: Callable[[dict[str, UsableLink]], None], excluded: str = EXCLUDED
    ) -> None:
        self._on_change = on_change
        self._excluded = excluded

    async def run(self) -> None:
        """Follow the kernel until cancelled."""
        while True:
            try:
                await self._follow()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                log.warning("the kernel has lost messages about interfaces; reading all again")

    async def _follow(self) -> None:
        from pyroute2 import AsyncIPRoute
        from pyroute2.netlink import rtnl

        groups = rtnl.RTMGRP_LINK | rtnl.RTMGRP_IPV4_IFADDR | rtnl.RTMGRP_IPV6_IFADDR
        async with AsyncIPRoute() as listener, AsyncIPRoute() as reader:
            await listener.bind(groups)
            table = await self._read(reader)
            self._on_change(table.usable())
            while True:
                async for message in listener.get():
                    if table.apply(message):
                        self._on_change(table.usable())

    async def _read(self, route: AsyncIPRoute) -> LinkTable:
        table = LinkTable(self._excluded)
        async for message in await route.get_links():
            table.apply(message)
        async for message in await route.get_addr():
            table.apply(message)
        return table
