"""BGP of policy: objects in, sessions with a router out, and what is reported of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.virtual_ips import BGPOrders, VirtualIPSpec, new_virtual_ip, to_object
from metallb_lab import objects
from metallb_lab.objects import BGP_SESSIONS, KINDS, NAMESPACE, VIRTUAL_IPS, namespace_of
from metallb_lab.realserver import free_port
from metallb_speaker.bfd.config import Endpoint
from metallb_speaker.bfd.iana import Diagnostic, State
from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.control import BFDStateLine
from metallb_speaker.peering.config import PeerConfig
from metallb_speaker.peering.peering import Peering
from metallb_speaker.policy import session_reports
from metallb_speaker.policy.session_reports import session_name
from metallb_speaker.routes.model import Silence
from support.apiclients import client_of
from support.kube_proxy import PlayedKubeProxy
from support.policy import RunningPolicy
from support.waiting import until, until_it

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import JsonObject
    from metallb_speaker.peering.status import PeerStatus
    from metallb_speaker.settings import Settings
    from support.ledger import Ledger
    from support.peers import PlayedReflex

ROUTER, NODE = "127.0.0.2", "127.0.0.1"
VIP = "198.51.100.1"


@dataclass(slots=True)
class Router:
    """A peer on the loopback, which is our own Peering listening."""

    peering: Peering
    port: int

    @property
    def session(self) -> PeerStatus:
        return self.peering.statuses()["node"]

    @property
    def updates(self) -> int:
        return self.session.received.get(MessageType.UPDATE, 0)


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    port = await free_port(ROUTER)
    peering = Peering(listen_port=port, listen_host=ROUTER)
    await peering.start()
    session = SessionConfig("node", 65002, 65001, int(ip_address(ROUTER)))
    peering.apply({"node": PeerConfig(session, ip_address(NODE), passive=True)})
    yield Router(peering, port)
    await peering.close()


async def put(ledger: Ledger, *items: JsonObject) -> None:
    for item in items:
        resource = KINDS[item["kind"]]
        where = namespace_of(resource, item["metadata"].get("namespace", ""))
        await ledger.client.create(resource, item, where)


def peer(router: Router, name: str = "tor", **spec: Any) -> JsonObject:
    said = {"peerPort": router.port, "sourceAddress": NODE, **spec}
    return objects.bgp_peer(name, ROUTER, 65001, 65002, **said)


def vip(address: str = VIP, **orders: Any) -> JsonObject:
    spec = VirtualIPSpec(ip_address(address), "IPAddressPool/edge", ())
    return to_object(new_virtual_ip(replace(spec, bgp=BGPOrders(("edge",), **orders))))


EDGE = (
    objects.ip_address_pool("edge", ["198.51.100.0/24"]),
    objects.bgp_advertisement("edge"),
)


async def sessions(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """All BGPSession objects, by peer."""
    pages = [page.items async for page in ledger.client.list_pages(BGP_SESSIONS)]
    return {item["spec"]["peer"]: item for page in pages for item in page}


async def session_says(ledger: Ledger, peer: str, name: str, value: object) -> dict[str, Any]:
    """Wait until a field of a session's status says something; gives the status."""

    async def says() -> bool:
        found = (await sessions(ledger)).get(peer, {}).get("status", {})
        return bool(found.get(name) == value)

    await until_it(says, f"{peer}: {name} {value}")
    status: dict[str, Any] = (await sessions(ledger))[peer]["status"]
    return status


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_reports, "PACE_SECONDS", 0.01)


async def test_a_vip_reaches_the_router_and_all_is_reported(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router, fast: None
) -> None:
    await put(ledger, *EDGE, peer(router), vip())
    bgp = running.policy.bgp
    await until(lambda: router.session.is_up and router.updates)
    await until(lambda: ledger.vip(VIP).status.by_bgp("n1") is not None)
    entry = ledger.vip(VIP).status.by_bgp("n1")
    assert entry is not None
    assert entry.peers == ("tor",)
    assert bgp.established() == {"tor"}

    status = await session_says(ledger, "tor", "state", "Established")
    assert (status["peerAddress"], status["peerASN"], status["localASN"]) == (ROUTER, 65002, 65001)
    assert status["families"] == ["IPv4"]
    assert "bfd" not in status
    owners = (await sessions(ledger))["tor"]["metadata"]["ownerReferences"]
    assert [item["name"] for item in owners] == ["n1"]

    before = router.updates
    await ledger.client.delete(VIRTUAL_IPS, VIP)
    await until(lambda: router.updates > before, "it is withdrawn")


async def test_a_vip_is_announced_when_kube_proxy_has_rules_for_it(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router, fast: None
) -> None:
    bgp = running.policy.bgp
    async with PlayedKubeProxy() as proxy:
        await put(ledger, *EDGE, peer(router))
        await until(lambda: router.session.is_up)
        said = router.updates
        await put(ledger, vip(nodes=("n1",), health_check_ports=(proxy.port,)))
        await until(lambda: proxy.questions >= 2)
        decided = bgp.table.verdict_of(ip_address(VIP))
        assert decided is not None
        assert decided.silence is Silence.KUBE_PROXY_NOT_READY
        assert (bgp.statuses()["tor"].routes, router.updates) == (0, said)
        proxy.endpoints = 1
        await until(lambda: router.updates > said)
        await until(lambda: ledger.vip(VIP).status.by_bgp("n1") is not None)
        proxy.endpoints, asked = 0, proxy.questions
        said = router.updates
        await ledger.client.delete(VIRTUAL_IPS, VIP)
        await until(lambda: router.updates > said, "it is withdrawn")
        assert proxy.questions == asked


async def test_after_a_start_the_end_of_routes_waits_for_kube_proxy_too(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings, router: Router
) -> None:
    """RFC 4724 §4: at End-of-RIB a router forgets what it kept of before and was not told again."""
    plain = vip("198.51.100.2")
    async with PlayedKubeProxy() as proxy, client_of(ledger.server, "alice") as client:
        waiting = vip(nodes=("n1",), health_check_ports=(proxy.port,))
        await put(ledger, *EDGE, peer(router, enableGracefulRestart=True), plain, waiting)
        running = RunningPolicy(settings, client)
        await until(lambda: router.session.is_up and router.updates and proxy.questions >= 2)
        assert router.updates == 1, "the other route alone, without the end"
        proxy.endpoints = 1
        await until(lambda: router.updates == 3, "the route, then the end")
        await running.end()


async def test_a_peer_that_is_gone_has_no_session_and_no_object(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router, fast: None
) -> None:
    await put(ledger, *EDGE, peer(router), vip())
    await until(lambda: ledger.vip(VIP).status.by_bgp("n1") is not None)
    await ledger.client.delete(objects.BGP_PEERS, "tor", NAMESPACE)
    await until(lambda: not router.session.is_up)
    await until(lambda: ledger.vip(VIP).status.by_bgp("n1") is None)

    async def none_is_left() -> bool:
        return not await sessions(ledger)

    await until_it(none_is_left)


async def test_without_its_password_a_peer_has_no_session_and_that_is_told(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router, fast: None
) -> None:
    await put(ledger, *EDGE, peer(router, passwordSecret={"name": "tor"}))
    await until(lambda: "tor" in running.policy.bgp.faults)
    status = await session_says(ledger, "tor", "state", "Refused")
    assert status["lastError"].startswith("PasswordSecretNotFound: ")
    await put(ledger, objects.password_secret("tor", "s3cret"))
    await until(lambda: not running.policy.bgp.faults, "the Secret is taken without a restart")
    assert list(running.policy.bgp.statuses()) == ["tor"]


async def test_peers_of_other_nodes_are_none_of_ours(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router
) -> None:
    selector = {"matchLabels": {"rack": "a"}}
    await put(ledger, *EDGE, peer(router, nodeSelectors=[selector]), vip())
    await until(lambda: running.policy.bgp.why_not_ready() is None)
    assert running.policy.bgp.statuses() == {}
    await ledger.client.patch(objects.NODES, "n1", {"metadata": {"labels": {"rack": "a"}}})
    await until(lambda: router.session.is_up)


async def test_bfd_is_ordered_of_reflex_and_ends_the_session(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, router: Router, fast: None
) -> None:
    profile = objects.bfd_profile("fast", receiveInterval=50)
    await put(ledger, *EDGE, profile, peer(router, bfdProfile="fast"), vip())
    await until(lambda: router.session.is_up)
    line = await reflex.hear("bfd")
    await until(lambda: reflex.told("bfd")[-1]["sessions"], f"it is ordered: {line}")
    endpoint = Endpoint(ip_address(ROUTER), ip_address(NODE))
    up = BFDStateLine(endpoint, State.UP, Diagnostic(0), State.UP, 1.0, 50_000, 150_000)
    reflex.say(up.to_line())
    await session_says(ledger, "tor", "bfd", "Up")
    count = router.session.established_count
    reflex.say(replace(up, state=State.DOWN, diagnostic=Diagnostic(1)).to_line())
    await until(
        lambda: router.session.last_error is not None and "BFD" in router.session.last_error
    )
    reflex.say(up.to_line())
    await until(lambda: router.session.established_count > count and router.session.is_up)


async def test_sessions_of_before_are_taken_over_or_removed(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings, router: Router, fast: None
) -> None:
    for name in ("tor", "old"):
        body = {
            "apiVersion": "network.deckhouse.io/v1alpha1",
            "kind": "BGPSession",
            "metadata": {
                "name": session_name("n1", name),
                "labels": {session_reports.NODE_LABEL: "n1"},
            },
            "spec": {"node": "n1", "peer": name},
        }
        await ledger.client.create(BGP_SESSIONS, body)
    await put(ledger, *EDGE, peer(router))
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)

        async def only_ours() -> bool:
            return list(await sessions(ledger)) == ["tor"]

        await until_it(only_ours)
        await session_says(ledger, "tor", "state", "Established")
        await running.end()


async def test_a_port_that_is_taken_is_said_and_we_dial(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings, router: Router,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    taken = replace(settings, bgp=replace(settings.bgp, listen_port=router.port))
    await put(ledger, *EDGE, peer(router))
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(taken, client)
        await until(lambda: router.session.is_up)
        assert f"peers cannot dial us on port {router.port}" in caplog.text
        await running.end()


def test_names_of_sessions_are_names_of_objects_and_never_the_same() -> None:
    names = {
        session_name(node, name)
        for node in ("n", "n.a", "x" * 253)
        for name in ("a", "a.b", "y" * 253)
    }
    assert len(names) == 9
    assert all(len(name) <= 253 and name.strip("-.") == name for name in names)
