"""The client of NetBox, against a small server that speaks its REST API."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.net.ranges import parse_range
from metallb.tls.certificates import make_pair
from metallb_controller.allocator.model import ForeignUse
from metallb_controller.app.netbox import NetBox, NetBoxSettings
from metallb_controller.ipam.model import Contents, Entry, IpamError, RefusedError, Registered
from metallb_controller.ipam.netbox import Labels
from support.certificates import NAMES, PAIR, write_pair
from support.netbox import Fault, NetBoxServer
from support.netbox_check import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

RANGES = (parse_range("10.0.0.1-10.0.0.20"), parse_range("fd00::1-fd00::9"))
LABELS = Labels("cluster-a")
ONE = Entry(ip_address("10.0.0.1"), "default/web", "web.example.com")
SIX = Entry(ip_address("fd00::1"), "default/web")


@pytest.fixture
async def server() -> AsyncIterator[NetBoxServer]:
    made = NetBoxServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def secret(tmp_path: Path, server: NetBoxServer) -> Path:
    (tmp_path / "token").write_text(server.token + "\n")
    return tmp_path


@pytest.fixture
async def client(server: NetBoxServer, secret: Path) -> AsyncIterator[NetBox]:
    made = _client(server, secret)
    yield made
    await made.close()


def _client(server: NetBoxServer, secret: Path, **rest: Any) -> NetBox:
    return NetBox(NetBoxSettings(server.url + "/", LABELS, secret, **rest))


async def test_the_small_server_does_what_we_count_on(server: NetBoxServer, secret: Path) -> None:
    """The same is asked of a real NetBox by hand: see `support.netbox_check`."""
    await check(server.url, secret)


async def test_an_address_is_registered_changed_and_released(
    client: NetBox, server: NetBoxServer
) -> None:
    assert await client.read(RANGES) == Contents()
    made = [await client.register(entry) for entry in (ONE, SIX)]
    assert [item.entry for item in made] == [ONE, SIX]
    found = server.tagged("cluster-a")
    assert found["10.0.0.1"] == {
        "id": made[0].id, "address": "10.0.0.1/32", "vrf": None, "status": "active", "role": "vip",
        "description": "default/web", "dns_name": "web.example.com", "tags": ["cluster-a"],
    }  # fmt: skip
    assert found["fd00::1"]["address"] == "fd00::1/128"
    server.addresses[made[0].id]["tags"].append("extra")
    other = Entry(ONE.address, "default/api")
    changed = await client.change(made[0], other)
    assert changed == Registered(made[0].id, other)
    assert server.addresses[made[0].id]["tags"] == ["cluster-a", "extra"]
    assert await client.read(RANGES) == Contents((changed, made[1]))
    await client.release(made[1])
    await client.release(made[1])
    assert list(server.tagged("cluster-a")) == ["10.0.0.1"]


async def test_what_others_use_is_read_in_our_ranges_only(
    client: NetBox, server: NetBoxServer
) -> None:
    server.vrfs[7] = {"id": 7, "name": "blue"}
    server.put_tag("cluster-b")
    server.put("10.0.0.5/24", description="router-1")
    server.put("10.0.0.6/32", dns_name="host.example.com", status="deprecated")
    nameless = server.put("fd00::3/64", tags=["cluster-b"])
    server.put("10.0.0.5/32", description="vrrp of router-1", role="vrrp")
    server.put("10.0.0.21/24", description="outside")
    server.put("10.0.0.7/24", vrf=7, description="of another VRF")
    found = await client.read(RANGES)
    assert found.ours == ()
    assert found.others == (
        ForeignUse(parse_range("10.0.0.5"), "router-1"),
        ForeignUse(parse_range("10.0.0.6"), "host.example.com"),
        ForeignUse(parse_range("fd00::3"), f"IP address {nameless['id']}"),
    )
    assert await client.read(()) == Contents()


async def test_of_a_vrf_only_its_addresses_count_and_ours_are_moved_into_it(
    server: NetBoxServer, secret: Path
) -> None:
    server.vrfs[7] = {"id": 7, "name": "blue"}
    server.put_tag("cluster-a")
    server.put("10.0.0.5/24", description="global")
    server.put("10.0.0.7/24", vrf=7, description="blue")
    server.put("10.0.0.1/32", description=ONE.description, tags=["cluster-a"], role="vip")
    made = NetBox(NetBoxSettings(server.url, Labels("cluster-a", 7), secret))
    try:
        found = await made.read(RANGES)
        assert [item.description for item in found.others] == ["blue"]
        assert not found.ours[0].is_whole
        changed = await made.change(found.ours[0], ONE)
        assert changed.is_whole
        assert server.addresses[changed.id]["vrf"] == 7
    finally:
        await made.close()


async def test_lists_are_read_page_by_page(client: NetBox, server: NetBoxServer) -> None:
    server.page_limit = 3
    server.put_tag("cluster-a")
    for number in range(1, 11):
        server.put(f"10.0.0.{number}/32", tags=["cluster-a"])
    server.requests.clear()
    found = await client.read(())
    assert [int(item.entry.address) & 255 for item in found.ours] == list(range(1, 11))
    assert sum("/ip-addresses/" in line for line in server.requests) == 4


async def test_a_list_that_changes_while_it_is_read_is_not_believed(
    client: NetBox, server: NetBoxServer
) -> None:
    server.page_limit = 3
    server.put_tag("cluster-a")
    for number in range(1, 6):
        server.put(f"10.0.0.{number}/32", tags=["cluster-a"])

    def delete_one(request: web.Request) -> None:
        if "offset" in request.query:
            server.addresses.pop(1, None)

    server.before = delete_one
    with pytest.raises(IpamError, match="others write now") as caught:
        await client.read(())
    assert caught.value.reason == "Changed"
    assert len((await client.read(())).ours) == 4


async def test_the_next_page_is_asked_of_our_server_whatever_its_url_says(
    client: NetBox, server: NetBoxServer
) -> None:
    server.page_limit = 1
    server.put_tag("cluster-a")
    for number in (1, 2):
        server.put(f"10.0.0.{number}/32", tags=["cluster-a"])
    real, server.url = server.url, "http://192.0.2.1:1"
    assert len((await client.read(())).ours) == 2
    server.url = real


async def test_a_duplicate_is_refused_in_the_words_of_netbox(
    client: NetBox, server: NetBoxServer
) -> None:
    await client.read(())
    server.put("10.0.0.1/24", description="router-1")
    with pytest.raises(RefusedError, match=r"Duplicate IP address found in global table"):
        await client.register(ONE)
    with pytest.raises(RefusedError, match="no more than 200"):
        await client.register(Entry(SIX.address, "x" * 201))


async def test_an_object_that_lost_our_tag_is_neither_changed_nor_deleted(
    client: NetBox, server: NetBoxServer
) -> None:
    made = await client.register(ONE)
    server.addresses[made.id] |= {"tags": [], "description": "now of others"}
    with pytest.raises(IpamError, match="not ours any more"):
        await client.change(made, Entry(ONE.address, "default/api"))
    await client.release(made)
    assert server.addresses[made.id]["description"] == "now of others"


async def test_a_change_of_an_object_that_is_gone_tells_so(
    client: NetBox, server: NetBoxServer
) -> None:
    made = await client.register(ONE)
    server.addresses.clear()
    with pytest.raises(IpamError) as caught:
        await client.change(made, ONE)
    assert caught.value.reason == "Gone"


@pytest.mark.parametrize(
    ("fault", "reason", "wait"),
    [
        (Fault(429, (("Retry-After", "7"),)), "Status", 7),
        (Fault(503, (("Retry-After", "86400"),)), "Status", 300),
        (Fault(500, (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),)), "Status", 0),
        (Fault(302, (("Location", "http://192.0.2.1/"),)), "Status", 0),
        (Fault(401), "Unauthorized", 0),
        (Fault(403), "Unauthorized", 0),
        (Fault(400, body=b'{"slug": ["no"]}'), "Refused", 0),
        (Fault(200, body=b"<html>"), "Malformed", 0),
        (Fault(200, body=b"[]"), "Malformed", 0),
        (Fault(200, body=b'{"count": 1, "next": null, "results": [1]}'), "Malformed", 0),
        (Fault(), "Unreachable", 0),
    ],
)
async def test_what_goes_wrong_is_told_without_the_token(
    client: NetBox, server: NetBoxServer, fault: Fault, reason: str, wait: float
) -> None:
    if fault.status is None:
        server.is_down = True
    else:
        server.faults.append(fault)
    with pytest.raises(IpamError) as caught:
        await client.read(())
    server.is_down = False
    assert caught.value.reason == reason
    assert caught.value.retry_after_seconds == wait
    assert server.token not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert await client.read(()) == Contents()


async def test_a_page_that_leads_nowhere_ends(client: NetBox, server: NetBoxServer) -> None:
    body = b'{"count": 2, "next": "http://x/?offset=1", "results": [{"id": 1}]}'
    server.faults.extend([Fault(200, body=body), Fault(200, body=body)])
    with pytest.raises(IpamError, match="nothing new"):
        await client.read(())


async def test_an_answer_that_does_not_come_is_not_waited_for(
    server: NetBoxServer, secret: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        made = _client(server, secret, timeout_seconds=0.2)
        with pytest.raises(IpamError) as caught:
            await made.read(())
        await made.close()
    assert caught.value.reason == "Timeout"


@pytest.mark.parametrize("token", [None, "", "a b", "línea", "a\nb"])
async def test_without_a_token_nothing_is_asked(
    client: NetBox, server: NetBoxServer, secret: Path, token: str | None
) -> None:
    if token is None:
        (secret / "token").unlink()
    else:
        (secret / "token").write_text(token)
    with pytest.raises(IpamError) as caught:
        await client.read(())
    assert caught.value.reason == "NoToken"
    assert not server.requests
    (secret / "token").write_text(server.token)
    assert await client.read(()) == Contents()


async def test_a_token_of_version_2_is_a_bearer_token(
    client: NetBox, server: NetBoxServer, secret: Path
) -> None:
    seen: list[str] = []
    server.before = lambda request: seen.append(request.headers["Authorization"])
    (secret / "token").write_text("nbt_key.secret")
    with pytest.raises(IpamError):
        await client.read(())
    assert seen == ["Bearer nbt_key.secret"]


async def test_a_certificate_is_checked_and_a_new_authority_is_taken_in(tmp_path: Path) -> None:
    server, other = NetBoxServer(), make_pair(NAMES, datetime.now(UTC), "")
    write_pair(tmp_path, PAIR)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    await server.start(context)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text(server.token)
    made = _client(server, secret)
    try:
        for authorities in (None, other.ca):
            if authorities is not None:
                (secret / "ca.crt").write_text(authorities)
            with pytest.raises(IpamError) as caught:
                await made.read(())
            assert caught.value.reason == "TLS"
        (secret / "ca.crt").write_text(PAIR.ca)
        assert await made.read(()) == Contents()
        (secret / "ca.crt").write_text("no certificate")
        with pytest.raises(IpamError) as caught:
            await made.read(())
        assert caught.value.reason == "TLS"
    finally:
        await made.close()
        await server.stop()
