"""What a lab needs of the machine: looked for before anything is made, and told in plain words."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "ip": ("iproute2", "makes the nodes, which are network namespaces"),
    "sysctl": ("procps", "lets the nodes forward packets"),
    "setpriv": ("util-linux", "ends our programs should the lab be killed"),
    "nft": ("nftables", "sends what comes for a VIP to the pods"),
}
"""Command -> Debian package, and what for."""

POD_COMMANDS: Mapping[str, tuple[str, str]] = {
    "runc": ("runc", "runs the containers of pods"),
    "mount": ("mount", "lays a container's own files over its image"),
}
"""The same for labs with pods."""

ROUTER_COMMANDS: Mapping[str, tuple[str, str]] = {
    "bird": ("bird2", "is a router with which the nodes speak BGP"),
    "/usr/lib/frr/bgpd": ("frr", "is a router with which the nodes speak BGP"),
}
"""The same for labs with routers."""

_NET_ADMIN, _SYS_ADMIN = 12, 21


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is missing, why it is needed, and what would help."""

    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.remedy}"


def missing(
    find: Callable[[str], str | None] = shutil.which,
    user_id: int | None = None,
    capabilities: int | None = None,
    more: Mapping[str, tuple[str, str]] | None = None,
) -> list[Missing]:
    """List what a lab lacks on this machine; `more` are further commands, others are for tests."""
    found: list[Missing] = []
    user = os.geteuid() if user_id is None else user_id
    held = effective_capabilities() if capabilities is None else capabilities
    if user != 0:
        found.append(
            Missing(
                "root",
                f"network namespaces, raw sockets and nftables need it, this is user {user}",
                "run it with sudo",
            )
        )
    elif not (held >> _NET_ADMIN & 1 and held >> _SYS_ADMIN & 1):
        found.append(
            Missing(
                "CAP_NET_ADMIN and CAP_SYS_ADMIN",
                "network namespaces are made with them, and this root has been deprived of them",
                "run it outside the container, or in a privileged one",
            )
        )
    for command, (package, why) in {**COMMANDS, **(more or {})}.items():
        if find(command) is None:
            found.append(Missing(f"the command {command}", f"it {why}", f"install {package}"))
    return found


def effective_capabilities() -> int:
    """Give the effective capabilities of this process, as a bit set (capabilities(7))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
