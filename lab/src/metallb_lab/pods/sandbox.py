"""What the containers of one pod share: its network, its volumes, its files.

Volumes that come from the API are compared with it again and again, and their files replaced all at
once (`metallb_lab.pods.volumes`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING, Any

from metallb_lab import netns
from metallb_lab.pods.model import EmptyDirectory, Files
from metallb_lab.pods.oci import Bind
from metallb_lab.pods.sources import Sources
from metallb_lab.pods.volumes import Given, files_of, write_files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from metallb_lab.pods.context import Context
    from metallb_lab.pods.model import ContainerSpec, PodSpec
    from metallb_lab.topology import Pod

UID_CHARACTERS = 8
HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
{address}\t{name}
"""


class Sandbox:
    """One pod's."""

    def __init__(
        self,
        context: Context,
        spec: PodSpec,
        value: dict[str, Any],
        changed: Callable[[], None],
        tell: Callable[[str, str, str], Awaitable[None]],
    ) -> None:
        self.spec = spec
        self.value = value
        """The pod's object, with the addresses that it has here."""
        self.changed = changed
        self.tell = tell
        self.directory = context.instance.directory / "pods" / spec.uid
        self.sources = Sources(context.client, spec)
        self.addresses: tuple[str, ...] = ()
        self._context = context
        self._network: Pod | None = None

    @property
    def is_made(self) -> bool:
        """Whether the pod has its network."""
        return bool(self.addresses)

    @property
    def address(self) -> str:
        """The pod's first address."""
        return self.addresses[0]

    @property
    def host_name(self) -> str:
        """The name that its containers have."""
        return self._context.host.name if self.spec.on_host_network else self.spec.name

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return self._context.host.namespace if self._network is None else self._network.namespace

    @property
    def network_path(self) -> Path:
        """The file of its network namespace."""
        return netns.NETNS_DIRECTORY / self.namespace

    async def make(self) -> None:
        """Make network and volumes, as far as they are not; raises NotYetError."""
        host = self._context.host
        if not self.is_made:
            if self.spec.on_host_network:
                self.addresses = (host.ipv4, host.ipv6)
            else:
                name = f"{self.spec.name}-{self.spec.uid[:UID_CHARACTERS]}"
                made = await asyncio.to_thread(self._context.topology.add_pod, name, host.name)
                self._network, self.addresses = made, (made.ipv4, made.ipv6)
            self.take(self.value)
        if not self.directory.exists():
            await asyncio.to_thread(self._make_directories)
        await self.refresh()

    def take(self, value: dict[str, Any]) -> None:
        """Take in the pod's object as it is now."""
        host = self._context.host
        found = {
            "hostIP": host.ipv4,
            "hostIPs": [{"ip": host.ipv4}, {"ip": host.ipv6}],
            **({"podIP": self.address} if self.is_made else {}),
            "podIPs": [{"ip": item} for item in self.addresses],
        }
        self.value = value | {"status": {**(value.get("status") or {}), **found}}

    def _make_directories(self) -> None:
        (self.directory / "messages").mkdir(parents=True)
        name = self.host_name
        hosts = HOSTS.format(address=self.address, name=name)
        (self.directory / "hosts").write_text(hosts)
        (self.directory / "resolv.conf").write_text("# there is no DNS in the lab\n")
        for volume, kind in self.spec.volumes.items():
            path = self._volume(volume)
            path.mkdir(parents=True)
            if isinstance(kind, EmptyDirectory):
                path.chmod(0o777)
                if kind.in_memory:
                    size = f",size={kind.size_bytes}" if kind.size_bytes else ""
                    netns.run("mount", "-t", "tmpfs", "-o", f"mode=777{size}", "tmpfs", str(path))

    def _volume(self, name: str) -> Path:
        return self.directory / "volumes" / name

    def message_file(self, container: str) -> Path:
        """Make the file in which a container leaves its last words."""
        path = self.directory / "messages" / container
        path.write_bytes(b"")
        path.chmod(0o666)
        return path

    def binds(self, container: ContainerSpec) -> list[Bind]:
        """Give what of the node a container sees."""
        own = [
            Bind(self.directory / name, f"/etc/{name}", is_read_only=True)
            for name in ("hosts", "resolv.conf")
        ]
        mounted = [
            Bind(
                self._volume(mount.volume),
                mount.path,
                mount.is_read_only or isinstance(self.spec.volumes[mount.volume], Files),
            )
            for mount in container.mounts
        ]
        return own + mounted

    async def refresh(self) -> None:
        """Bring the files of the volumes to what the API says; raises NotYetError."""
        volumes = {
            name: volume for name, volume in self.spec.volumes.items() if isinstance(volume, Files)
        }
        if not volumes:
            return
        given = Given(
            await self.sources.data(), await self.sources.tokens(), self.value, self._users()
        )
        wanted = {name: files_of(volume, given) for name, volume in volumes.items()}
        for name, files in wanted.items():
            await asyncio.to_thread(write_files, self._volume(name), files)

    def _users(self) -> frozenset[int]:
        """Users of all containers, if the pod says them all."""
        users = [container.security.user for container in self.spec.containers]
        known = frozenset(user for user in users if user is not None)
        return frozenset() if None in users else known

    async def remove(self) -> None:
        """Take everything away."""
        await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        for name, volume in self.spec.volumes.items():
            if isinstance(volume, EmptyDirectory) and volume.in_memory:
                with contextlib.suppress(netns.CommandError):
                    netns.run("umount", "--lazy", str(self._volume(name)))
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._network is not None:
            self._context.topology.remove_pod(self._network.name)
            self._network = None
        self.addresses = ()
