"""The lab under a real Prometheus: who may read, what dashboards show, what alerts say."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from scapy.layers.l2 import ARP, Ether

from metallb_lab import netns, objects
from metallb_lab.cluster import Cluster, ClusterOptions
from module.monitoring.boards import queries
from module.monitoring.observatory import PLATFORM, PORTS, Observatory, until
from module.monitoring.rules import all_alerts, all_cases
from module.monitoring.runbook import can_be_run, commands, filled, run
from support.scene import WAIT_SECONDS
from support.site import START_SECONDS, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from module.monitoring.rules import Alert

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
    pytest.mark.netns,
    pytest.mark.real,
    pytest.mark.slow,
]

PATIENCE = ("--heartbeat-multiplier", "10")
DATA_SECONDS = 90.0

DEAF, LACKING = "10.10.0.98", "10.10.0.99"
"""Peers: one where nobody is, one whose password is nowhere."""

EXPECTED_ALERTS = {
    "D8MetallbAddressNotAnnounced": {"IPAddressPool/edge", "edge"},
    "D8MetallbAddressConflict": {"ip"},
    "D8MetallbAddressPoolExhausted": {"full"},
    "D8MetallbBGPPeerRefused": {f"{LACKING}:179"},
    "D8MetallbBGPSessionDown": {f"{DEAF}:179"},
    "D8MetallbNoNodeForClass": {"nowhere"},
    "D8MetallbServiceHasNoReadyEndpoints": {"silent"},
    "D8MetallbServiceWaitsForAddress": {"full"},
}
"""Alerts that are about to fire after what `played` does, with a word of their labels."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    options = ClusterOptions(control_plane="real", speaker_arguments=PATIENCE)
    async with Cluster(options) as cluster, Site(cluster) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Observatory]:
    work = tmp_path_factory.mktemp("observatory")
    async with Observatory(site.cluster, work) as observatory:

        async def all_up() -> bool:
            health = await observatory.health()
            return len(health) == 5 and set(health.values()) == {"up"}

        await until(all_up, START_SECONDS, "all targets are up")
        yield observatory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(site: Site, watched: Observatory) -> AsyncIterator[Observatory]:
    """Let happen what panels are about: somebody waits, a node dies and returns, a conflict."""
    cluster = site.cluster
    await cluster.apply(objects.load_balancer_class("full", ["10.10.128.1"]))
    await cluster.apply(
        objects.load_balancer_class("nowhere", ["10.10.129.1"], node_selector={"none": "such"})
    )
    for name in ("first", "second"):
        await cluster.apply(objects.service(name, loadBalancerClass="full"))
    await cluster.apply(objects.load_balancer_class("silent", ["10.10.130.1-10.10.130.9"]))
    await cluster.apply(objects.service("mute", loadBalancerClass="silent", app="none"))
    await _speak_bgp(cluster)
    await cluster.until(lambda: cluster.addresses("first"), WAIT_SECONDS, "first has an address")
    address = cluster.addresses("fences4")[0]
    await site.claims(address)
    _send_nonsense(site, cluster.topology.hosts["n1"].ipv4)
    dying = next(node for node in site.nodes if node != cluster.announcer(address))
    await cluster.power_off(dying)
    await cluster.until(
        lambda: dying not in cluster.announcers().values(), WAIT_SECONDS, "others took over"
    )
    await site.heal()
    claiming = asyncio.create_task(_claim(site, address))
    yield watched
    claiming.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await claiming


async def _speak_bgp(cluster: Cluster) -> None:
    """Announce an address by BGP; nobody is there to hear it."""
    await cluster.apply(objects.ip_address_pool("edge", ["198.51.100.0/28"], autoAssign=False))
    await cluster.apply(objects.bgp_advertisement("edge"))
    await cluster.apply(objects.bfd_profile("usual"))
    await cluster.apply(objects.bgp_peer("deaf", DEAF, 64500, 64501, bfdProfile="usual"))
    secret = {"passwordSecret": {"name": "nowhere"}}
    await cluster.apply(objects.bgp_peer("lacking", LACKING, 64500, 64501, **secret))
    annotations = {"metallb.io/address-pool": "edge"}
    await cluster.apply(objects.service("edge", annotations=annotations))


def _send_nonsense(site: Site, address: str) -> None:
    client = site.cluster.topology.hosts["client"].namespace
    with netns.make_socket(client, socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"nonsense", (address, 4225))


async def _claim(site: Site, address: str) -> None:
    """Be another station that has an address, and says so again and again."""
    host = site.cluster.topology.hosts["client"]
    claim = ARP(op=1, hwsrc=host.mac(), psrc=address, pdst=address)
    frame = bytes(Ether(src=host.mac(), dst="ff:ff:ff:ff:ff:ff") / claim)
    with netns.make_socket(host.namespace, socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        while True:
            raw.send(frame)
            await asyncio.sleep(0.5)


# ---------------------------------------------------------------- who may read


@pytest.mark.parametrize("job", PORTS)
async def test_only_who_may_read_does(watched: Observatory, job: str) -> None:
    stranger = await watched.token(PLATFORM, "stranger")
    prometheus = await watched.token(PLATFORM, "prometheus")
    targets = [target for target in watched.targets if target.job == job]
    assert targets
    for target in targets:
        assert (await watched.scrape(target, ""))[0] == 401
        assert (await watched.scrape(target, "nonsense"))[0] == 401
        assert (await watched.scrape(target, stranger))[0] == 403
        code, text = await watched.scrape(target, prometheus)
        assert code == 200
        assert "\nmetallb_k8s_client_updates_total " in text
        assert (await watched.scrape(target, prometheus, "/healthz"))[0] == 404


@pytest.mark.parametrize("job", PORTS)
async def test_nobody_passes_by_the_proxy(watched: Observatory, job: str) -> None:
    _, behind = PORTS[job]
    client = watched.cluster.topology.hosts["client"].namespace
    for target in watched.targets:
        if target.job == job:
            with netns.make_socket(client, socket.AF_INET, socket.SOCK_STREAM) as tcp:
                tcp.settimeout(20.0)
                assert tcp.connect_ex((target.host.ipv4, behind)) != 0


async def test_targets_have_the_labels_that_alerts_ask_for(watched: Observatory) -> None:
    found = await watched.ask("targets", state="active")
    labels = {item["labels"]["pod"]: item["labels"] for item in found["activeTargets"]}
    given = labels["speaker-n1"]
    del given["instance"]
    assert given == {
        "job": "speaker", "namespace": "d8-metallb", "pod": "speaker-n1", "node": "n1",
        "container": "kube-rbac-proxy", "tier": "cluster",
    }  # fmt: skip


# ---------------------------------------------------------------- what is shown


async def test_every_query_has_data(played: Observatory) -> None:
    missing = {str(query): query for query in queries()}

    async def all_have_data() -> bool:
        for name, query in list(missing.items()):
            if await played.values(query.expression, pool="full", node=".*"):
                del missing[name]
        return not missing

    with contextlib.suppress(AssertionError):
        await until(all_have_data, DATA_SECONDS, "every query has data")
    assert not missing


async def test_a_query_for_nothing_has_no_data(played: Observatory) -> None:
    assert not await played.values('metallb_controller_addresses_free{pool="$pool"}', pool="none")


async def test_variables_find_their_values(played: Observatory) -> None:
    pools = await played.ask("label/pool/values")
    assert {"full", "nowhere", "fences4", "fences6"} <= set(pools)
    assert set(await played.ask("label/node/values")) >= {"n1", "n2", "n3"}


@pytest.mark.parametrize(
    ("board", "panel", "expected"),
    [
        ("l2", "Leaders", [1]),
        ("l2", "Speakers present", [3]),
        ("l2", "Services waiting", [1]),
        ("l2", "Conflicts", [1]),
        ("pools", "Pool usage", [100]),
        ("pools", "Free addresses by family", [0]),
    ],
)
async def test_panels_show_what_is_so(
    played: Observatory, board: str, panel: str, expected: list[float]
) -> None:
    [query] = [item for item in queries() if (item.board, item.panel) == (board, panel)]

    async def is_so() -> bool:
        return await played.values(query.expression, pool="full", node=".*") == expected

    await until(is_so, DATA_SECONDS, f"{panel}: {expected}")


async def test_a_death_was_counted_and_its_outage_measured(played: Observatory) -> None:
    taken = await played.values('sum(metallb_speaker_announcements_total{reason="NodeDown"})')
    lost = await played.values('sum(metallb_speaker_peers_lost_total{reason="Silent"})')
    assert taken[0] >= 1
    assert lost[0] >= 1
    count = await played.values("sum(metallb_speaker_outage_seconds_count)")
    total = await played.values("sum(metallb_speaker_outage_seconds_sum)")
    assert count[0] >= 1
    assert 0 < total[0] / count[0] < WAIT_SECONDS


# ---------------------------------------------------------------- what alerts say


async def test_rules_can_be_evaluated_and_tell_what_is_wrong(played: Observatory) -> None:
    async def stirring() -> dict[str, list[dict[str, Any]]]:
        rules = await played.alerts()
        assert {rule["health"] for rule in rules.values()} <= {"ok", "unknown"}
        return {name: rule["alerts"] for name, rule in rules.items() if rule["alerts"]}

    async def as_expected() -> bool:
        return (await stirring()).keys() == EXPECTED_ALERTS.keys()

    with contextlib.suppress(AssertionError):
        await until(as_expected, DATA_SECONDS, "the alerts are about to fire")
    found = await stirring()
    assert found.keys() == EXPECTED_ALERTS.keys()
    for name, words in EXPECTED_ALERTS.items():
        assert any(words & {*item["labels"], *item["labels"].values()} for item in found[name])
        for alert in found[name]:
            assert "<no value>" not in str(alert["annotations"])


# ---------------------------------------------------------------- what people are told to do


async def _run(played: Observatory, command: str, **places: str) -> str:
    kubeconfig = played.cluster.plane.outside_kubeconfig
    usual = {"NAMESPACE": "default", "NAME": "first", "POD": "none", "ADDRESS": "10.10.128.1"}
    return await asyncio.to_thread(run, command, kubeconfig, {**usual, **places})


@pytest.mark.parametrize("alert", all_alerts(), ids=lambda alert: alert.name)
async def test_commands_of_alerts_can_be_run(played: Observatory, alert: Alert) -> None:
    labels = all_cases()[alert.name]["fires"][0]["labels"]
    for command in commands(filled(alert.rule["annotations"]["description"], labels)):
        if can_be_run(command):
            await _run(played, command)


async def test_a_wrong_command_is_found(played: Observatory) -> None:
    with pytest.raises(AssertionError, match="resource type"):
        await _run(played, "kubectl get metalloadbalancers")


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        ("D8MetallbServiceWaitsForAddress", 0, "default/second"),
        ("D8MetallbAddressPoolExhausted", 0, "10.10.128.1"),
        ("D8MetallbAddressConflict", 0, "MAC of the client"),
        ("D8MetallbNoNodeForClass", 0, "NoEligibleNodes"),
        ("D8MetallbServiceHasNoReadyEndpoints", 0, "10.10.130.1 default/mute"),
    ],
)
async def test_commands_find_what_is_wrong(
    played: Observatory, name: str, step: int, expected: str
) -> None:
    [text] = [
        alert["annotations"]["description"]
        for alert in (await played.alerts())[name]["alerts"]
        if EXPECTED_ALERTS[name] & {*alert["labels"], *alert["labels"].values()}
    ]
    if expected == "MAC of the client":
        expected = played.cluster.topology.hosts["client"].mac()
    assert expected in await _run(played, commands(text)[step])
