"""From Deckhouse's own module 1.77 to this one, played from a recorded cluster on the real API
server. On packets and in pods: `tests/module/e2e/test_upgrade.py`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb.kube.errors import NotFoundError
from metallb_controller.app.migration import DECKHOUSE_KINDS, list_all
from metallb_controller.app.resources import CHILDREN, NATIVE_POOLS, SERVICES, VIRTUAL_IPS
from metallb_lab import tools
from metallb_lab.operator import ModuleConfig, ModuleOperator, Patience
from metallb_lab.operator.crds import CRDS
from metallb_lab.realserver import RealServer
from migration.recorded import ROOT, SECONDS, RecordedCluster, key, recorded
from module.hooks.deckhouse import OLD_CRD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from metallb.kube.client import ApiClient

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

STATE = recorded("deckhouse-1.77")
FROM = "--from=deckhouse"
CLASS = "example.com/bgp"
CHILD = "SDNInternalL2LBService"
RENDERED = (CHILD, "Deployment", "DaemonSet")
HELD = {
    "10.10.0.0": {"web/shop"},
    "10.10.0.9": {"web/shop"},
    "10.10.0.4": {"web/shop"},
    "10.10.0.6": {"web/late"},
    "10.20.0.99": {"web/outside"},
    "10.10.0.12": {"web/dns-udp", "web/dns-tcp"},
    "192.0.2.3": {"web/edge"},
}
"""What Services show; the address of a child of `late` that they do not show comes besides."""
HIDDEN = {"10.10.0.2": {"web/late"}}


def is_rendered(item: dict[str, Any]) -> bool:
    """Tell whether an object is of the old release."""
    labels = item["metadata"].get("labels", {})
    is_native = item["apiVersion"].startswith("metallb.io/") and labels.get("heritage")
    return item["kind"] in RENDERED or bool(is_native)


@pytest.fixture
async def server() -> AsyncIterator[RealServer]:
    async with RealServer() as running:
        yield running


async def test_what_the_command_tells_and_enters_is_what_the_controller_keeps(
    server: RealServer,
) -> None:
    async with (
        RecordedCluster.loaded(server.write_kubeconfig(), STATE) as cluster,
        cluster.watched(grows={"web/late"}) as statuses,
    ):
        code, said = await cluster.command(FROM)
        assert code == 0
        assert "announced by BGP" in said
        assert "web/outside: keeps 10.20.0.99 (class inner)" in said
        assert "not in its status yet, but of a child object: 10.10.0.2" in said
        assert "web/gone-front-0 of Service web/gone: 10.10.0.7" in said
        assert "web/theirs: left alone" in said
        assert "the internal kind SDNInternalL2LBService" in said
        assert await cluster.ledger() == {}
        code, said = await cluster.command(FROM, "--apply")
        assert f"{len(HELD | HIDDEN)} addresses have been entered" in said
        assert await cluster.ledger() == HELD | HIDDEN
        async with cluster.controller(f"--load-balancer-class={CLASS}"):
            await statuses.until("web/late", "10.10.0.6", "10.10.0.2")
            await statuses.until("web/waits")
            await cluster.client.delete(NATIVE_POOLS, "front", "d8-metallb")
            await cluster.client.delete(SERVICES, "shop", "web")
            await _until_released(cluster, "10.10.0.4")


async def test_the_old_kind_goes_after_the_addresses_are_entered(
    server: RealServer, tmp_path: Path
) -> None:
    kubeconfig = server.write_kubeconfig()
    users = [item for item in STATE if not is_rendered(item) and key(item) != "d8-metallb"]
    [config] = [item["spec"] for item in users if item["kind"] == "ModuleConfig"]
    settings = ModuleConfig(settings=config["settings"], version=config["version"])
    async with (
        namespaces_go(server),
        RecordedCluster.loaded(kubeconfig, users) as cluster,
        cluster.watched(grows={"web/late"}) as statuses,
    ):
        await install(kubeconfig, tmp_path, [item for item in STATE if item not in users])
        await give_addresses(cluster.client)
        async with (
            Deletions(cluster.client) as deleted,
            ModuleOperator(kubeconfig, ROOT, settings, patience=Patience(0.5, 2.0)) as operator,
        ):
            await operator.converged()
            entered = {
                item["metadata"]["name"]: int(item["metadata"]["resourceVersion"])
                async for page in cluster.client.list_pages(VIRTUAL_IPS)
                for item in page.items
            }
            assert await cluster.ledger() == HELD
            assert {key(item) for item in await list_all(cluster.client, CHILDREN)} == {
                "web/late-front-0", "web/late-front-1", "web/waits-front-0",
            }, "deleted by the release, but held"  # fmt: skip
            assert len(deleted.versions) == 4
            assert max(entered.values()) < min(deleted.versions), "entered before a child went"
            async with cluster.controller(f"--load-balancer-class={CLASS}"):
                await statuses.until("web/late", "10.10.0.6", "10.10.0.2")
                await statuses.until("web/waits", "10.10.0.1")
                ledger = await cluster.ledger()
                assert {address: ledger[address] for address in HELD | HIDDEN} == HELD | HIDDEN
                await until_gone(cluster, OLD_CRD["metadata"]["name"])
            assert len(deleted.versions) == 7
            shown_at = statuses.version_of("web/late")
            late = max(deleted.versions[4:])
            assert shown_at < late, "the child goes when its address is shown"


async def test_pools_of_the_first_settings_are_counted_in_and_come_true(
    server: RealServer,
) -> None:
    kubeconfig = server.write_kubeconfig()
    state = recorded("deckhouse-settings-1")
    [config] = [item["spec"] for item in state if item["kind"] == "ModuleConfig"]
    settings = ModuleConfig(settings=config["settings"], version=config["version"])
    async with (
        namespaces_go(server),
        RecordedCluster.loaded(kubeconfig, state) as cluster,
        cluster.watched() as statuses,
    ):
        code, said = await cluster.command(FROM)
        assert code == 0, said
        assert "web/web: keeps 10.10.0.7 (class l2-default)" in said
        assert "web/asks: keeps 10.20.0.3 (class l2-asked-for)" in said
        assert "web/new: has no address, will get 10.10.0.1" in said
        async with ModuleOperator(
            kubeconfig, ROOT, settings, patience=Patience(0.5, 2.0)
        ) as operator:
            await operator.converged()
            assert await cluster.ledger() == {"10.10.0.7": {"web/web"}, "10.20.0.3": {"web/asks"}}
            async with cluster.controller():
                await statuses.until("web/new", "10.10.0.1")


class Deletions:
    """The versions at which children were deleted."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.versions: list[int] = []

    async def __aenter__(self) -> Deletions:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        lines = self._client.watch_lines(
            DECKHOUSE_KINDS[CHILD], timeout_seconds=300, stall_seconds=300.0
        )
        async for line in lines:
            event = json.loads(line)
            if event["type"] == "DELETED":
                self.versions.append(int(event["object"]["metadata"]["resourceVersion"]))


async def install(kubeconfig: Path, directory: Path, items: list[dict[str, Any]]) -> None:
    """Release what Deckhouse's chart renders."""
    templates = directory / "old" / "templates"
    templates.mkdir(parents=True)
    (directory / "old" / "Chart.yaml").write_text("apiVersion: v2\nname: metallb\nversion: 0.0.1\n")
    (templates / "objects.yaml").write_text(yaml.safe_dump_all(items))
    process = await asyncio.create_subprocess_exec(
        str(tools.find("helm")), "install", "metallb", str(directory / "old"),
        "--namespace=d8-system", "--create-namespace", f"--kubeconfig={kubeconfig}",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0


async def give_addresses(client: ApiClient) -> None:
    """Give children the addresses that the old controller gave them: no chart has statuses."""
    for item in STATE:
        if item["kind"] == CHILD and "status" in item:
            await client.patch(
                CHILDREN, item["metadata"]["name"], {"status": item["status"]},
                namespace="web", subresource="status",
            )  # fmt: skip


@asynccontextmanager
async def namespaces_go(server: RealServer) -> AsyncIterator[None]:
    """Run the controllers that the removal of a kind and of its objects needs."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", tools.find("kube-controller-manager")),
        f"--kubeconfig={server.write_kubeconfig()}",
        "--leader-elect=false",
        "--secure-port=0",
        "--controllers=namespace-controller,garbage-collector-controller",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def until_gone(cluster: RecordedCluster, name: str) -> None:
    """Wait until a CRD is there no more."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await cluster.client.get(CRDS, name)
            except NotFoundError:
                return
            await asyncio.sleep(0.05)


async def _until_released(cluster: RecordedCluster, address: str) -> None:
    async with asyncio.timeout(SECONDS):
        while address in await cluster.ledger():
            await asyncio.sleep(0.05)


def test_the_state_is_worth_playing() -> None:
    kinds = [item["kind"] for item in STATE]
    assert kinds.count(CHILD) == 7
    assert kinds.count("Service") >= 8
    assert {"ModuleConfig", "MetalLoadBalancerPool", "MetalLoadBalancerBGPPeer"} < {*kinds}
