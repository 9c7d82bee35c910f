"""The real API server under our runner: ready, kept data, tokens, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from metallb_lab import tools
from metallb_lab.realserver import RealServer, RealServerError, Token

pytestmark = pytest.mark.real

ORPHAN = """
import asyncio, sys
from metallb_lab.realserver import RealServer
async def main():
    server = RealServer()
    await server.start()
    print(*server.pids, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def call(
    server: RealServer, method: str, path: str, token: Token, body: object = None
) -> int:
    headers = {"Authorization": f"Bearer {token.secret}"}
    async with (
        aiohttp.ClientSession(server.url, headers=headers) as session,
        session.request(method, path, json=body, ssl=server.ssl_context()) as answer,
    ):
        return answer.status


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.01)


async def test_data_survive_save_and_start_from_a_copy(tmp_path: Path) -> None:
    bob = Token.make("bob", "developers")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
    path = "/api/v1/namespaces/default/configmaps"
    async with RealServer(tokens=(bob,)) as server:
        pids = server.pids
        assert await call(server, "POST", path, server.admin, body) == 201
        assert await call(server, "GET", path, bob) == 403
        assert await call(server, "GET", path, Token("wrong", "x")) == 401
        await server.save(tmp_path / "saved")
        assert not any(alive(pid) for pid in pids)
    assert not server.directory.exists()
    copy = RealServer()
    await copy.start(from_copy=tmp_path / "saved")
    try:
        await copy.wait_ready()
        assert await call(copy, "GET", f"{path}/kept", copy.admin) == 200
    finally:
        await copy.stop()


async def test_children_die_with_the_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHAN, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until_gone(pids)


async def test_a_process_that_ends_is_reported_with_its_log() -> None:
    server = RealServer(extra_args=("--no-such-flag",))
    await server.start()
    try:
        with pytest.raises(RealServerError, match="unknown flag: --no-such-flag"):
            await server.wait_ready()
    finally:
        await server.stop()


async def test_beside_a_controller_manager() -> None:
    async with RealServer(admission="full") as server:
        log = (server.directory / "kcm.log").open("wb")
        manager = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", tools.find("kube-controller-manager")),
            f"--kubeconfig={server.write_kubeconfig()}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={server.service_account_key}",
            f"--root-ca-file={server.ca_file}",
            "--controllers=serviceaccount-controller,serviceaccount-token-controller",
            stdout=log,
            stderr=log,
        )
        try:
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            async with asyncio.timeout(20):
                while await call(server, "GET", account, server.admin) != 200:
                    assert manager.returncode is None
                    await asyncio.sleep(0.05)
            issue = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            assert await call(server, "POST", f"{account}/token", server.admin, issue) == 201
        finally:
            manager.kill()
            await manager.wait()
            log.close()


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_inside_a_network_namespace() -> None:
    name = f"lab-rs-{os.getpid()}"

    async def ip(*words: str) -> None:
        process = await asyncio.create_subprocess_exec("ip", *words)
        assert await process.wait() == 0

    await ip("netns", "add", name)
    try:
        await ip("-n", name, "link", "set", "lo", "up")
        await ip("-n", name, "addr", "add", "10.10.0.5/32", "dev", "lo")
        async with RealServer(netns=name, host="10.10.0.5") as server:
            with pytest.raises((OSError, aiohttp.ClientError, TimeoutError)):
                async with asyncio.timeout(0.5):
                    await call(server, "GET", "/readyz", server.admin)
            pids = server.pids
        await until_gone(pids)
    finally:
        await ip("netns", "del", name)
