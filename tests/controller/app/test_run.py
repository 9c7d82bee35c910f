"""Whole replicas on the embedded API server: who leads, who takes over, what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from metallb.kube.election import ElectionSettings
from metallb.runtime.tasks import TaskEndedError
from metallb_controller.app.resources import CLASSES, LEASES, SERVICES, VIRTUAL_IPS
from metallb_controller.app.run import Controller, boot_clock, run_controller
from metallb_controller.app.settings import Settings
from metallb_lab.apiserver import Match
from support.objects import NAMESPACE, class_object, service_object
from support.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

PATIENT = ElectionSettings(lease_seconds=3600.0, retry_seconds=0.05, margin_seconds=800.0)
QUICK = ElectionSettings(lease_seconds=1.2, retry_seconds=0.05, margin_seconds=0.3)

PROCESS_SECONDS = 45.0
"""A process has its imports to read."""


class Replica:
    """A controller in this process, that is alice or bob to the server."""

    def __init__(self, controller: Controller, port: int) -> None:
        self.controller = controller
        self.port = port
        self.task = asyncio.create_task(controller.run())

    async def get(self, path: str) -> tuple[int, str]:
        """Ask its own port; 0 when nobody answers."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status, await answer.text()
        return 0, ""

    async def leads(self) -> bool:
        return "metallb_controller_leader 1.0" in (await self.get("/metrics"))[1]

    async def until_it_leads(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await self.leads():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.controller.supervisor.stop.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.task


@pytest.fixture
async def replicas(server: ApiServer, tmp_path: Path) -> AsyncIterator[Any]:
    running: list[Replica] = []

    def start(user: str, election: ElectionSettings = PATIENT) -> Replica:
        path = tmp_path / f"{user}.kubeconfig"
        path.write_text(server.kubeconfig(f"{user}-token"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = Settings(
            NAMESPACE, user, kubeconfig=str(path), metrics_port=port, election=election
        )
        running.append(Replica(Controller(settings), port))
        return running[-1]

    yield start
    for replica in running:
        replica.controller.supervisor.stop.set()
        await asyncio.gather(replica.task, return_exceptions=True)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def _put(admin: ApiClient, resource: Any, value: dict[str, Any]) -> None:
    for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        value["metadata"].pop(name, None)
    if resource is SERVICES:
        value["spec"]["allocateLoadBalancerNodePorts"] = False
    await admin.create(resource, value, value["metadata"].get("namespace", ""))


async def _until_it_has(admin: ApiClient, name: str, address: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            status = (await admin.get(SERVICES, name, "default"))["status"]
            if [item["ip"] for item in status["loadBalancer"].get("ingress", [])] == [address]:
                return
            await asyncio.sleep(0.01)


async def _holder(admin: ApiClient) -> str:
    lease = await admin.get(LEASES, "metallb-controller", NAMESPACE)
    return str(lease["spec"].get("holderIdentity") or "")


async def test_one_of_two_leads_and_the_other_takes_over_when_it_stops(
    admin: ApiClient, replicas: Any
) -> None:
    await _put(admin, CLASSES, class_object(isDefault=True))
    first = replicas("alice")
    await first.until_it_leads()
    second = replicas("bob")
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await second.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.01)
    await _put(admin, SERVICES, service_object("web"))
    await _until_it_has(admin, "web", "10.0.0.1")
    assert not await second.leads()
    await first.stop()
    await second.until_it_leads()
    assert await _holder(admin) == "bob"
    await _put(admin, SERVICES, service_object("api"))
    await _until_it_has(admin, "api", "10.0.0.2")
    await _until_it_has(admin, "web", "10.0.0.1")
    await second.stop()
    assert await _holder(admin) == ""


async def test_a_leader_that_is_cut_off_is_replaced_and_follows_when_it_is_back(
    admin: ApiClient, server: ApiServer, replicas: Any
) -> None:
    await _put(admin, CLASSES, class_object(isDefault=True))
    first, second = replicas("alice", QUICK), replicas("bob", QUICK)
    while not (await first.leads() or await second.leads()):
        await asyncio.sleep(0.01)
    leader, other, user = (first, second, "alice")
    if not await first.leads():
        leader, other, user = (second, first, "bob")
    await _put(admin, SERVICES, service_object("web"))
    await _until_it_has(admin, "web", "10.0.0.1")
    cut = server.faults.add("partition-hang", Match(user=user))
    server.faults.add("drop-watch", Match(user=user), count=6)
    await other.until_it_leads()
    await _put(admin, SERVICES, service_object("api"))
    await _until_it_has(admin, "api", "10.0.0.2")
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await leader.leads():
            await asyncio.sleep(0.01)
    server.faults.remove(cut)
    await _put(admin, SERVICES, service_object("more"))
    await _until_it_has(admin, "more", "10.0.0.3")
    names = [page async for page in admin.list_pages(VIRTUAL_IPS)]
    assert [item["metadata"]["name"] for page in names for item in page.items] == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
    ]


async def test_a_replica_is_ready_once_the_server_has_answered(
    server: ApiServer, replicas: Any
) -> None:
    away = server.faults.add("partition-reset", Match(user="alice"))
    replica = replicas("alice")
    await until(lambda: away.used)
    assert await replica.get("/readyz") == (503, "the API server has not answered yet\n")
    assert (await replica.get("/healthz"))[0] == 200
    server.faults.remove(away)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await replica.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.01)


async def test_a_bug_in_a_term_ends_the_replica_and_gives_the_lease_back(
    admin: ApiClient, replicas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("metallb_controller.app.leadership.Leadership.run", broken)
    replica = replicas("alice")
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(TaskEndedError, match="terms"):
            await replica.task
    assert await _holder(admin) == ""


def test_the_clock_goes_on() -> None:
    assert boot_clock() <= boot_clock()


# -- the process -----------------------------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[None]:
    """Put the logging of this process back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("quiet")
def test_without_a_configuration_it_says_so_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(NAMESPACE, "x", kubeconfig=str(tmp_path / "nothing"))
    assert run_controller(settings) == 2
    assert "no way to the API server" in capsys.readouterr().err


def _kubeconfig_to_nowhere(path: Path) -> str:
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        'clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]\n'
        "users: [{name: c, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n"
    )
    return str(path)


@pytest.mark.usefixtures("quiet")
def test_a_webhook_without_a_certificate_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _kubeconfig_to_nowhere(tmp_path / "kubeconfig")
    settings = Settings(
        NAMESPACE, "x", kubeconfig=path, metrics_port=0, webhook_host="127.0.0.1",
        webhook_port=0, webhook_cert_dir=tmp_path,
    )  # fmt: skip
    assert run_controller(settings) == 2
    said = capsys.readouterr().err
    assert "admission cannot be served on 127.0.0.1:0" in said
    assert "tls.crt" in said


@pytest.mark.usefixtures("quiet")
def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _kubeconfig_to_nowhere(tmp_path / "kubeconfig")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(NAMESPACE, "x", kubeconfig=path, metrics_port=port)
        assert run_controller(settings) == 2
    assert f"metrics cannot be served on 127.0.0.1:{port}" in capsys.readouterr().err


async def test_a_process_ends_cleanly_on_sigterm(
    admin: ApiClient, server: ApiServer, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(server.kubeconfig("alice-token"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "metallb_controller", "--kubeconfig", str(path)),
        *("--identity", "pod-1", "--metrics-port", "0"),
        stderr=subprocess.PIPE,
        env={**os.environ, "POD_NAMESPACE": NAMESPACE},
    )
    try:
        holder = ""
        async with asyncio.timeout(PROCESS_SECONDS):
            while holder != "pod-1":
                with contextlib.suppress(Exception):
                    holder = await _holder(admin)
                await asyncio.sleep(0.01)
        process.terminate()
        async with asyncio.timeout(PROCESS_SECONDS):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    assert "leading as pod-1" in errors.decode()
    assert await _holder(admin) == ""
