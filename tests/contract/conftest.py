"""The contract suite runs every test against both API servers, embedded and real.

Both run as processes of their own on loopback, once per session; each test gets a namespace and a
client of its own. ``-m "not real"`` leaves the real one out.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from contract import crds
from contract.api import Api, Server
from metallb_lab import tools
from metallb_lab.apiserver.auth import ADMIN_GROUP
from metallb_lab.realserver import RealServer, Token, kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
ADMIN = Token.make("admin", ADMIN_GROUP)
ALICE = Token.make("alice", "developers", "testers")
COUNTER = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of the suite."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("contract")


def embedded(directory: Path) -> tuple[Server, subprocess.Popen[bytes]]:
    """The embedded server as a process, with TLS and tokens as the real one."""
    tools.find("kubectl")  # complains, if it has to, before there is a process
    tokens = directory / "tokens.csv"
    tokens.write_text(ADMIN.csv() + ALICE.csv())
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *(sys.executable, "-m", "metallb_lab.apiserver", "--listen", "127.0.0.1:0"),
            f"--tls-dir={directory}",
            f"--token-file={tokens}",
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    word, url = process.stdout.readline().decode().split()
    assert word == "ready"
    return make_server("embedded", url, directory / "ca.pem", ADMIN, directory), process


def make_server(kind: str, url: str, ca_file: Path, admin: Token, directory: Path) -> Server:
    path = directory / "kubeconfig"
    ca = base64.b64encode(ca_file.read_bytes()).decode()
    path.write_text(kubeconfig(url, admin.secret, ca))
    path.chmod(0o600)
    tokens = {"admin": admin.secret, "alice": ALICE.secret}
    return Server(kind, url, ca_file, tokens, path, tools.find("kubectl"), directory)


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=["embedded", pytest.param("real", marks=pytest.mark.real)],
)
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """One of the two servers."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        started, process = embedded(directory)
        with process:
            try:
                await prepare(started, request)
                yield started
            finally:
                process.terminate()
        assert process.returncode == 0
        return
    async with RealServer(tokens=(ALICE,), directory=directory) as real:
        made = make_server("real", real.url, real.ca_file, real.admin, directory)
        await prepare(made, request)
        yield made


async def prepare(server: Server, request: pytest.FixtureRequest) -> None:
    """Makes the CRDs that the selected tests declare."""
    functions = {getattr(item, "function", None) for item in request.session.items}
    tests = {function for function in functions if hasattr(function, "crd")}
    async with client(server) as opened:
        await crds.make_all(Api(server, opened, "default"), tests)


@pytest.fixture
def path(api: Api, request: pytest.FixtureRequest) -> str:
    """Where the objects of this test's declared CRD are."""
    return crds.path_for(api, request.function)


@pytest.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A client session of the admin."""
    async with client(server) as opened:
        yield opened


@contextlib.asynccontextmanager
async def client(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    headers = {"Authorization": f"Bearer {server.tokens['admin']}"}
    connector = aiohttp.TCPConnector(ssl=context)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as opened:
        yield opened
    for _turn in range(5):  # connections are closed by the loop's next turns
        await asyncio.sleep(0)


@pytest.fixture
async def api(
    server: Server, session: aiohttp.ClientSession, request: pytest.FixtureRequest
) -> Api:
    """A client with a fresh namespace."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().partition("[")[0])
    namespace = f"{words[5:45].strip('-')}-{next(COUNTER)}"
    made = Api(server, session, namespace)
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}
    body["metadata"] = {"name": namespace}
    (await made.post("/api/v1/namespaces", body)).ok(201)
    return made
