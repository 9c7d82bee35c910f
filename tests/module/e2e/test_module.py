"""The module's life in a cluster: installed, watched, changed, and taken off again.

One cluster for all of it: the real control plane, three nodes, pods from the images of this tree.
Each test leaves the module as it found it.
"""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from metallb.domain.findings import rfc3339
from metallb.domain.heartbeat_keys import PHASE_ANNOTATION, SECRET, SINCE_ANNOTATION, Phase
from metallb.domain.webhook_certificate import LIFETIME
from metallb.domain.webhook_certificate import SECRET as CERTIFICATE
from metallb.kube.client import PatchType, Resource
from metallb.kube.errors import ApiError
from metallb.tls.certificates import make_pair
from metallb_lab import images, netns, objects, probes
from metallb_lab.objects import DAEMON_SETS, NAMESPACE, SECRETS
from metallb_lab.pods import module
from metallb_lab.pods.cluster import PodCluster
from metallb_lab.pods.context import AgentSettings
from module.e2e.installed import CLASS, SECONDS, Installed, encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import JsonObject

pytestmark = [
    pytest.mark.netns,
    pytest.mark.alone,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

SETTINGS = AgentSettings(refresh_seconds=1.0, retry_seconds=0.5)
PEERS = Resource("metallb.io", "v1beta2", "bgppeers")
OLD_PEERS = Resource("metallb.io", "v1beta1", "bgppeers")
REFUSAL = re.compile(r"objects\.metallb\.network\.deckhouse\.io")
READ_AGAIN = "heartbeat keys are read again"
METALLB = "metallb-system"
NO_PRIORITY = "no real-time priority"
NO_SOCKET = "interface eth0 cannot be used: [Errno 1] Operation not permitted"
LONG_AGO = timedelta(days=60)
HEARTBEAT, SPEAKER_METRICS, CONTROLLER_METRICS, WEBHOOK = 4225, 4226, 7475, 8443


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed() -> AsyncIterator[Installed]:
    found = {name: images.ensure(name) for name in module.IMAGES}
    async with PodCluster(found, settings=SETTINGS) as cluster, Installed(cluster) as made:
        yield made


# -- what an administrator sees --------------------------------------------------------------------


async def test_metrics_are_for_those_who_may_see_them(installed: Installed) -> None:
    nobody = await installed.token("default", "default")
    prometheus = await installed.token("d8-monitoring", "prometheus")
    for app, port in (("controller", CONTROLLER_METRICS), ("speaker", SPEAKER_METRICS)):
        for pod in await installed.pods(app):
            address = pod["status"]["podIP"]
            assert (await installed.scrape(address, port))[0] == 401
            assert (await installed.scrape(address, port, "wrong"))[0] == 401
            assert (await installed.scrape(address, port, nobody))[0] == 403
            status, text = await installed.scrape(address, port, prometheus)
            assert status == 200
            assert f"metallb_{'allocator' if app == 'controller' else 'speaker'}_" in text


async def test_nothing_listens_but_what_is_declared(installed: Installed) -> None:
    topology = installed.cluster.topology
    for host in topology.nodes:
        assert listening(host.namespace) == {("udp", HEARTBEAT), ("tcp", SPEAKER_METRICS)}
    found = {item["status"]["podIP"] for item in await installed.pods("controller")}
    controllers = [item for item in topology.pods.values() if item.ipv4 in found]
    assert len(controllers) == 2
    for item in controllers:
        assert listening(item.namespace) == {("tcp", WEBHOOK), ("tcp", CONTROLLER_METRICS)}


def listening(namespace: str) -> set[tuple[str, int]]:
    """Give what others than the host itself can reach: protocol and port."""
    found = set()
    shown = netns.run("ip", "netns", "exec", namespace, "ss", "-Hlntu")
    for line in shown.splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        if not re.match(r"127\.|\[::1\]|\[::ffff:127\.", address):
            found.add((protocol, int(port)))
    return found


async def test_a_wrong_class_is_refused_by_the_webhook(installed: Installed) -> None:
    with pytest.raises(ApiError, match=REFUSAL):
        await make_wrong_class(installed)


async def test_peers_are_served_in_both_versions(installed: Installed) -> None:
    """By the webhook, through its Service; what only the new version has is kept for the old."""
    client = installed.cluster.client
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "vrf": "red"}
    peer = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "r"}}
    await client.create(PEERS, {**peer, "spec": spec}, NAMESPACE)

    async def is_converted() -> bool:
        shown = await client.get(OLD_PEERS, "r", NAMESPACE)
        return "metallb.io/v1beta2-fields" in shown["metadata"].get("annotations", {})

    await installed.cluster.until_true(is_converted, SECONDS, "the controller converts")
    assert (await client.get(PEERS, "r", NAMESPACE))["spec"]["vrf"] == "red"
    await client.delete(PEERS, "r", NAMESPACE)


async def test_metallbs_manifests_are_applied_as_they_are(installed: Installed) -> None:
    """In MetalLB's own namespace; the Service is reached, and MetalLB's tools see its node."""
    cluster = installed.cluster
    made: list[JsonObject] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": METALLB}},
        objects.ip_address_pool("native", ["10.10.140.1-10.10.140.9"]),
        objects.l2_advertisement("native", ipAddressPools=["native"]),
        objects.service("native", annotations={"metallb.universe.tf/address-pool": "native"}),
    ]
    for value in made[1:3]:
        value["metadata"]["namespace"] = METALLB
    for value in made:
        await cluster.apply(value)
    await cluster.until(
        lambda: cluster.addresses("native") == ("10.10.140.1",), SECONDS, "an address of the pool"
    )
    client = cluster.topology.hosts["client"].namespace
    answer = await asyncio.to_thread(probes.wait_for_http, client, "10.10.140.1", 80)
    assert answer.pod.startswith("web-")

    async def is_told() -> bool:
        path = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/servicel2statuses"
        found = (await cluster.client.request("GET", path))["items"]
        nodes = [
            item["status"]["node"] for item in found if item["status"]["serviceName"] == "native"
        ]
        return nodes == [cluster.announcer("10.10.140.1")]

    await cluster.until_true(is_told, SECONDS, "ServiceL2Status tells the node")
    for value in reversed(made):
        meta = value["metadata"]
        await cluster.delete(value["kind"], meta["name"], meta.get("namespace", ""))
    await cluster.until(lambda: cluster.vip("10.10.140.1") is None, SECONDS, "it is given back")


async def make_wrong_class(installed: Installed) -> None:
    wrong = objects.load_balancer_class("wrong", ["10.10.129.9-10.10.129.1"])
    await installed.cluster.client.create(objects.CLASSES, wrong)


# -- change ----------------------------------------------------------------------------------------


async def test_settings_that_change_replace_the_speakers_and_nothing_is_lost(
    installed: Installed,
) -> None:
    before = await installed.uids("speaker")
    async with installed.nothing_lost():
        await installed.configure(l2={"livenessMultiplier": 4})
        await installed.until_rolled("DaemonSet", "speaker")
        await installed.until_served()
    assert not before & await installed.uids("speaker")
    for pod in await installed.pods("speaker"):
        [speaker] = [item for item in pod["spec"]["containers"] if item["name"] == "speaker"]
        assert "--heartbeat-multiplier=4" in speaker["args"]


async def test_a_leader_that_dies_is_followed_by_the_other(installed: Installed) -> None:
    cluster, old, addresses = installed.cluster, await installed.leader(), installed.addresses()
    async with installed.nothing_lost():
        await installed.kill(old)

        async def is_followed() -> bool:
            return await installed.leader() not in ("", old)

        await cluster.until_true(is_followed, SECONDS, "another leads")
        await cluster.apply(objects.service("later", loadBalancerClass=CLASS))
        await cluster.until(lambda: bool(cluster.addresses("later")), SECONDS, "a new Service")
    assert installed.addresses() == addresses
    await cluster.delete("Service", "later")
    await cluster.until(lambda: not cluster.vips_of("later"), SECONDS, "its address is free")
    await installed.until_rolled("Deployment", "controller")
    await installed.until_served()


async def test_heartbeat_keys_are_changed_and_nobody_falls_silent(installed: Installed) -> None:
    owners, silences = installed.cluster.announcers(), said(installed, " is down: ")
    first = await keys_of(installed)
    async with installed.nothing_lost():
        for phase, count in ((Phase.ADDING, 2), (Phase.RETIRING, 2), (Phase.STABLE, 1)):
            wanted = said(installed, READ_AGAIN) + 3
            await let_keys_be_old(installed)
            await until_phase(installed, phase)
            assert len(await keys_of(installed)) == count
            await until_said(installed, READ_AGAIN, wanted)
    assert not set(first) & set(await keys_of(installed))
    assert installed.cluster.announcers() == owners
    assert said(installed, " is down: ") == silences


def said(installed: Installed, text: str) -> int:
    """Count how often speakers said something, those that are gone too."""
    return sum(log.count(text) for log in installed.logs("speaker").values())


async def until_said(installed: Installed, text: str, times: int) -> None:
    await installed.until(lambda: said(installed, text) >= times, f"{times} times: {text}")


async def keys_of(installed: Installed) -> list[str]:
    secret = await installed.cluster.client.get(SECRETS, SECRET, NAMESPACE)
    return base64.b64decode(secret["data"]["keys"]).decode().split()


async def let_keys_be_old(installed: Installed) -> None:
    since = rfc3339(datetime.now(UTC) - LONG_AGO)
    body = {"metadata": {"annotations": {SINCE_ANNOTATION: since}}}
    await installed.cluster.patch("Secret", SECRET, body, NAMESPACE)


async def until_phase(installed: Installed, phase: Phase) -> None:
    async def is_there() -> bool:
        secret = await installed.cluster.client.get(SECRETS, SECRET, NAMESPACE)
        return bool(secret["metadata"]["annotations"][PHASE_ANNOTATION] == phase)

    await installed.cluster.until_true(is_there, SECONDS, f"keys are {phase}")


async def test_the_webhooks_certificate_is_renewed(installed: Installed) -> None:
    """An operator that starts finds a certificate that ends soon, as after a year."""
    await installed.stop_operator()
    names = [f"metallb-webhook.{NAMESPACE}.svc"]
    old = make_pair(names, datetime.now(UTC) - LIFETIME + timedelta(days=20), "")
    data = {"ca.crt": old.ca, "tls.crt": old.crt, "tls.key": old.key}
    body = {"data": {name: encoded(text) for name, text in data.items()}}
    await installed.cluster.patch("Secret", CERTIFICATE, body, NAMESPACE)
    async with installed.nothing_lost():
        await installed.start_operator()
        await installed.until_rolled("Deployment", "controller")
    secret = await installed.cluster.client.get(SECRETS, CERTIFICATE, NAMESPACE)
    found = base64.b64decode(secret["data"]["ca.crt"]).decode()
    assert found.endswith(old.ca)
    assert found != old.ca
    await until_refused(installed)


async def until_refused(installed: Installed) -> None:
    """Wait until the webhook answers: it is not asked for long while its pods are replaced."""

    async def is_refused() -> bool:
        try:
            await make_wrong_class(installed)
        except ApiError as error:
            return REFUSAL.search(str(error)) is not None
        await installed.cluster.delete("MetalLoadBalancerClass", "wrong")
        return False

    await installed.cluster.until_true(is_refused, SECONDS, "the webhook refuses")


# -- rights ----------------------------------------------------------------------------------------


async def test_a_speaker_without_sys_nice_works_and_says_so(installed: Installed) -> None:
    told = said(installed, NO_PRIORITY)
    async with other_rights(installed, ["NET_RAW"]):
        await installed.until_rolled("DaemonSet", "speaker")
        assert said(installed, NO_PRIORITY) == told + 3
        await installed.until_served()
    assert said(installed, NO_PRIORITY) == told + 3


async def test_a_speaker_without_net_raw_announces_nothing_and_says_so(
    installed: Installed,
) -> None:
    cluster = installed.cluster
    async with other_rights(installed, ["SYS_NICE"]):
        await until_said(installed, NO_SOCKET, 3)
        await cluster.until(
            lambda: not any(cluster.announcers().values()), SECONDS, "nobody announces"
        )


@asynccontextmanager
async def other_rights(installed: Installed, capabilities: list[str]) -> AsyncIterator[None]:
    """Give the speakers other capabilities for a while, all of them at once."""
    usual = (await installed.cluster.get("DaemonSet", "speaker", NAMESPACE))["spec"]["template"]
    [speaker] = [item for item in usual["spec"]["containers"] if item["name"] == "speaker"]
    await give(installed, capabilities, "100%")
    try:
        yield
    finally:
        await give(installed, speaker["securityContext"]["capabilities"]["add"], "100%")
        await installed.until_rolled("DaemonSet", "speaker")
        await give(installed, speaker["securityContext"]["capabilities"]["add"], 1)
        await installed.until_served()


async def give(installed: Installed, capabilities: list[str], at_once: int | str) -> None:
    security = {"capabilities": {"drop": ["ALL"], "add": capabilities}}
    container = {"name": "speaker", "securityContext": security}
    body = {
        "spec": {
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": at_once}},
            "template": {"spec": {"containers": [container]}},
        }
    }
    await installed.cluster.client.patch(
        DAEMON_SETS, "speaker", body, namespace=NAMESPACE, kind=PatchType.STRATEGIC
    )


# -- the end ---------------------------------------------------------------------------------------


async def test_disabled_and_enabled_again_it_keeps_every_address(installed: Installed) -> None:
    addresses = installed.addresses()
    await installed.operator.disable()
    await installed.until_gone()
    client = installed.cluster.topology.hosts["client"].namespace
    netns.run("ip", "-n", client, "neigh", "flush", "all")
    with pytest.raises(OSError, match=r"timed out|No route to host"):
        probes.http_get(client, addresses["shop"][0], 80)
    assert installed.addresses() == addresses
    await installed.configure(l2={"livenessMultiplier": 4})
    await installed.until_rolled("Deployment", "controller")
    await installed.until_rolled("DaemonSet", "speaker")
    await installed.until_served()
    assert installed.addresses() == addresses
