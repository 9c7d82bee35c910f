"""What we count on in NetBox, asked of a server: the small one of the tests, or a real one.

    .venv/bin/python -m support.netbox_check URL DIRECTORY       (in tests/)

DIRECTORY has the file `token`. IP addresses in 198.51.100.0/24 and 2001:db8::/64 of the global
table are made and deleted, and two tags are left: use a NetBox that is for tests. It must want
addresses to be unique (`ENFORCE_GLOBAL_UNIQUE`, which is its default).
"""

from __future__ import annotations

import asyncio
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from metallb.net.ranges import parse_range
from metallb_controller.allocator.model import ForeignUse
from metallb_controller.app.netbox import NetBox, NetBoxSettings
from metallb_controller.ipam.model import Contents, Entry, Failure, IpamError, RefusedError
from metallb_controller.ipam.netbox import ADDRESSES, Labels

TAG, OTHER_TAG = "metallb-check", "metallb-check-other"
RANGES = (parse_range("198.51.100.1-198.51.100.20"), parse_range("2001:db8::1-2001:db8::9"))
ONE = Entry(ip_address("198.51.100.1"), "default/web", "web.example.com")
SIX = Entry(ip_address("2001:db8::1"), "default/wéb, default/api")


class Stranger:
    """Somebody else who writes into the same NetBox."""

    def __init__(self, url: str, authorization: str) -> None:
        self._url = url.rstrip("/") + ADDRESSES
        self._headers = {"Authorization": authorization}
        self._session = aiohttp.ClientSession()
        self.made: list[int] = []

    async def put(self, address: str, **rest: Any) -> int:
        """Make an address; gives its ID."""
        body = {"address": address, **rest}
        async with self._session.post(self._url, json=body, headers=self._headers) as answer:
            assert answer.status == 201, await answer.text()
            number = int((await answer.json())["id"])
        self.made.append(number)
        return number

    async def patch(self, number: int, **fields: Any) -> None:
        """Change an object, be it whose it may."""
        where = f"{self._url}{number}/"
        async with self._session.patch(where, json=fields, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, number: int) -> dict[str, Any] | None:
        """Read an object; None: it is not there."""
        async with self._session.get(f"{self._url}{number}/", headers=self._headers) as answer:
            return dict(await answer.json()) if answer.status == 200 else None

    async def close(self) -> None:
        """Delete what is there of it, and go."""
        for number in self.made:
            await (
                await self._session.delete(f"{self._url}{number}/", headers=self._headers)
            ).release()
        await self._session.close()


async def check(url: str, secret: Path) -> None:
    """Ask a server; AssertionError tells what it does otherwise."""
    token = (secret / "token").read_text().strip()
    kind = "Bearer" if token.startswith("nbt_") else "Token"
    stranger = Stranger(url, f"{kind} {token}")
    client, other = (NetBox(NetBoxSettings(url, Labels(tag), secret)) for tag in (TAG, OTHER_TAG))
    try:
        await _ours(client, stranger)
        await _others(client, other, stranger)
        await _refused(client, stranger)
    finally:
        for item in (await client.read(())).ours:
            await client.release(item)
        for item in (await other.read(())).ours:
            await other.release(item)
        await client.close()
        await other.close()
        await stranger.close()


async def _ours(client: NetBox, stranger: Stranger) -> None:
    """Our objects are made, read, changed, kept apart by the tag, and deleted."""
    assert await client.read(RANGES) == Contents()
    made = [await client.register(entry) for entry in (ONE, SIX)]
    assert [item.entry for item in made] == [ONE, SIX]
    assert all(item.is_whole for item in made)
    assert await client.read(RANGES) == Contents(tuple(made))
    changed = await client.change(made[0], Entry(ONE.address, "default/api"))
    assert changed.entry == Entry(ONE.address, "default/api")
    await stranger.patch(made[0].id, status="reserved")
    assert not (await client.read(())).ours[0].is_whole
    await client.change(changed, ONE)
    assert (await client.read(())).ours == tuple(made)
    await client.release(made[1])
    await client.release(made[1])
    assert await stranger.get(made[1].id) is None
    await stranger.patch(made[0].id, tags=[])
    await client.release(made[0])
    assert await stranger.get(made[0].id) is not None, "it is not ours any more, and was deleted"
    stranger.made.append(made[0].id)
    await stranger.patch(made[0].id, address="198.51.100.200/32")


async def _others(client: NetBox, other: NetBox, stranger: Stranger) -> None:
    """What others use is told, whoever they are, in our ranges and nowhere else."""
    await other.read(())
    await other.register(Entry(ip_address("198.51.100.7"), "other/web"))
    await stranger.put("198.51.100.5/24", description="router-1")
    nameless = await stranger.put("2001:db8::3/64", status="deprecated")
    await stranger.put("198.51.100.6/24", dns_name="Host.example.com")
    await stranger.put("198.51.100.21/24", description="outside")
    assert (await client.read(RANGES)).others == (
        ForeignUse(parse_range("198.51.100.5"), "router-1"),
        ForeignUse(parse_range("198.51.100.6"), "host.example.com"),
        ForeignUse(parse_range("198.51.100.7"), "other/web"),
        ForeignUse(parse_range("2001:db8::3"), f"IP address {nameless}"),
    )


async def _refused(client: NetBox, stranger: Stranger) -> None:
    """What NetBox will not have it says, and why; what is gone is told as gone."""
    with pytest.raises(RefusedError, match="Duplicate IP address found in global table"):
        await client.register(Entry(ip_address("198.51.100.5"), "default/web"))
    with pytest.raises(RefusedError, match="no more than 200 characters"):
        await client.register(Entry(ONE.address, "x" * 201))
    made = await client.register(ONE)
    stranger.made.append(made.id)
    await client.release(made)
    with pytest.raises(IpamError) as caught:
        await client.change(made, ONE)
    assert caught.value.reason is Failure.GONE


if __name__ == "__main__":
    asyncio.run(check(sys.argv[1], Path(sys.argv[2])))
    print("it does what we count on")
