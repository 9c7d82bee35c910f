"""Starts the real kube-apiserver and etcd, built by :mod:`metallb_lab.tools`.

One :class:`RealServer` owns one directory: certificates, tokens, etcd's data, logs. etcd listens
on a unix socket in it (no port to pick, and an API server inside a network namespace reaches it
all the same) and does not fsync. Ready about 3 s after ``start()``.

Tokens name their user and groups; the admin's is in ``system:masters`` and always there. RBAC is
on, so any other token may do nothing until it is granted. ``admission="minimal"`` turns off the
plugins that wait for a controller-manager; ``"full"`` leaves every default plugin on.

etcd's data can be kept: ``save()`` stops both cleanly and copies it, ``start(from_copy=...)``
starts on a copy of what was saved. Both children die with this process (``PR_SET_PDEATHSIG``), so
start them from the main thread: the signal follows the thread that forked.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import shutil
import socket
import ssl
import sys
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, Self

import aiohttp

from metallb_lab import tools
from metallb_lab.apiserver import certificates

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
LOG_TAIL_LINES = 20
ETCD_CLIENT = "unix://client:0"
ETCD_PEER = "unix://peer:0"
ISSUER = "https://kubernetes.default.svc"
WITHOUT_CONTROLLERS = (
    "ServiceAccount,TaintNodesByCondition,DefaultStorageClass,StorageObjectInUseProtection,"
    "PersistentVolumeClaimResize,RuntimeClass,Priority,DefaultIngressClass,PodSecurity,LimitRanger,"
    "ResourceQuota"
)

Admission = Literal["minimal", "full"]


class RealServerError(RuntimeError):
    """A process ended or did not become ready; the text carries the end of its log."""


@dataclass(frozen=True)
class Token:
    """A bearer token and whom it stands for."""

    secret: str
    name: str
    groups: tuple[str, ...] = ()

    @classmethod
    def make(cls, name: str, *groups: str) -> Token:
        """A token with a random secret."""
        return cls(secrets.token_hex(16), name, groups)

    def csv(self) -> str:
        """The line of kube-apiserver's token file."""
        groups = f',"{",".join(self.groups)}"' if self.groups else ""
        return f"{self.secret},{self.name},{self.name}{groups}\n"


class RealServer:
    """etcd and kube-apiserver on one address; use as ``async with RealServer() as server``."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        netns: str | None = None,
        tokens: tuple[Token, ...] = (),
        admission: Admission = "minimal",
        service_cidrs: tuple[str, ...] = ("10.96.0.0/12", "fd96::/108"),
        directory: Path | None = None,
        extra_args: tuple[str, ...] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.netns = netns
        self.admin = Token.make("admin", "system:masters")
        self.tokens = (self.admin, *tokens)
        self._admission = admission
        self._service_cidrs = service_cidrs
        self._keep = directory is not None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="metallb-lab-"))
        self._extra_args = extra_args
        self._etcd: asyncio.subprocess.Process | None = None
        self._api: asyncio.subprocess.Process | None = None

    # ------------------------------------------------------------ where it is

    @property
    def url(self) -> str:
        """``https://HOST:PORT``."""
        host = f"[{self.host}]" if ip_address(self.host).version == 6 else self.host
        return f"https://{host}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the serving certificate."""
        return self.directory / "ca.pem"

    @property
    def service_account_key(self) -> Path:
        """The private key that signs service account tokens, for kube-controller-manager."""
        return self.directory / "sa.key"

    @property
    def pids(self) -> list[int]:
        """kube-apiserver and etcd, while they run."""
        return [p.pid for p in (self._api, self._etcd) if p is not None]

    def ssl_context(self) -> ssl.SSLContext:
        """Trusts this server and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def kubeconfig(self, token: Token | None = None) -> str:
        """A kubeconfig for a token, the admin's by default."""
        ca = base64.b64encode(self.ca_file.read_bytes()).decode()
        return kubeconfig(self.url, (token or self.admin).secret, ca)

    def write_kubeconfig(self, path: Path | None = None, token: Token | None = None) -> Path:
        """The same in a file that only its owner can read."""
        path = path or self.directory / f"{(token or self.admin).name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(self.kubeconfig(token))
        return path

    # ------------------------------------------------------------ start and stop

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, *, from_copy: Path | None = None) -> None:
        """Starts both processes; does not wait for them to be ready."""
        if self.pids:
            raise RealServerError("already started")
        etcd, api = tools.find("etcd"), tools.find("kube-apiserver")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_files()
        if from_copy is not None:
            shutil.rmtree(self.directory / "etcd", ignore_errors=True)
            await asyncio.to_thread(shutil.copytree, from_copy, self.directory / "etcd")
        for name in ("client:0", "peer:0"):  # sockets of an earlier run
            (self.directory / name).unlink(missing_ok=True)
        self.port = self.port or await free_port(self.host, self.netns)
        try:
            self._etcd = await self._spawn("etcd", [str(etcd), *self._etcd_args()])
            self._api = await self._spawn("kube-apiserver", [str(api), *self._api_args()])
        except BaseException:
            await self.stop()
            raise

    async def wait_ready(self, deadline_seconds: float = READY_SECONDS) -> None:
        """Until /readyz is 200 and the namespace ``default`` exists."""
        try:
            async with asyncio.timeout(deadline_seconds):
                while not await self._is_ready():
                    self._check_alive()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RealServerError(
                f"kube-apiserver not ready in {deadline_seconds} s\n{self._log_tail()}"
            ) from None

    async def stop(self) -> None:
        """Ends both (API server first) and removes a directory that was ours."""
        await self._stop_processes(clean=False)
        if not self._keep:
            await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def save(self, path: Path) -> None:
        """Stops both cleanly and copies etcd's data to ``path``; ``start()`` may follow."""
        await self._stop_processes(clean=True)
        await asyncio.to_thread(shutil.copytree, self.directory / "etcd", path)

    async def _stop_processes(self, *, clean: bool) -> None:
        api, etcd = self._api, self._etcd
        self._api = self._etcd = None
        for process in (api, etcd):
            if process is not None:
                await end(process, clean=clean)

    # ------------------------------------------------------------ details

    def _write_files(self) -> None:
        d = self.directory
        if not self.ca_file.exists():
            names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
            firsts = [str(ip_network(c)[1]) for c in self._service_cidrs]
            addresses = {self.host, "127.0.0.1", "::1", *firsts} - {"0.0.0.0", "::"}
            certificates.write_serving(d, names, sorted(addresses))
            certificates.write_key_pair(d / "sa.key", d / "sa.pub")
        tokens = d / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("".join(t.csv() for t in self.tokens))

    def _etcd_args(self) -> list[str]:
        return [
            "--data-dir=etcd",
            "--name=lab",
            "--unsafe-no-fsync",
            f"--listen-client-urls={ETCD_CLIENT}",
            f"--advertise-client-urls={ETCD_CLIENT}",
            f"--listen-peer-urls={ETCD_PEER}",
            f"--initial-advertise-peer-urls={ETCD_PEER}",
            f"--initial-cluster=lab={ETCD_PEER}",
            "--quota-backend-bytes=4294967296",
            "--snapshot-count=10000",
            "--log-level=warn",
        ]

    def _api_args(self) -> list[str]:
        minimal = [f"--disable-admission-plugins={WITHOUT_CONTROLLERS}"]
        return [
            f"--etcd-servers={ETCD_CLIENT}",
            f"--secure-port={self.port}",
            f"--bind-address={self.host}",
            f"--advertise-address={advertised(self.host)}",
            "--endpoint-reconciler-type=none",
            "--cert-dir=.",
            "--tls-cert-file=cert.pem",
            "--tls-private-key-file=key.pem",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            "--service-account-key-file=sa.pub",
            "--service-account-signing-key-file=sa.key",
            f"--service-cluster-ip-range={','.join(self._service_cidrs)}",
            "--allow-privileged=true",
            "--profiling=false",
            "--event-ttl=1h",
            "--v=1",
            *(minimal if self._admission == "minimal" else []),
            *self._extra_args,
        ]

    async def _spawn(self, name: str, command: list[str]) -> asyncio.subprocess.Process:
        inside = ["ip", "netns", "exec", self.netns] if self.netns else []
        with (self.directory / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *inside,
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *command,
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _is_ready(self) -> bool:
        if self.netns is not None:
            return await self._is_ready_inside()
        headers = {"Authorization": f"Bearer {self.admin.secret}"}
        connector = aiohttp.TCPConnector(ssl=self.ssl_context())
        try:
            async with aiohttp.ClientSession(self.url, connector=connector, headers=headers) as s:
                for path in ("/readyz", "/api/v1/namespaces/default"):
                    async with s.get(path) as answer:
                        if answer.status != 200:
                            return False
        except aiohttp.ClientError:
            return False
        return True

    async def _is_ready_inside(self) -> bool:
        """The same from inside the namespace, by a kubectl there."""
        command = [str(tools.find("kubectl")), f"--kubeconfig={self.write_kubeconfig()}", "get"]
        for question in (["--raw=/readyz"], ["namespace", "default"]):
            process = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", str(self.netns)),
                *command,
                *question,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            if await process.wait() != 0:
                return False
        return True

    def _check_alive(self) -> None:
        for name, process in (("etcd", self._etcd), ("kube-apiserver", self._api)):
            if process is None:
                raise RealServerError("not started")
            if process.returncode is not None:
                raise RealServerError(f"{name} ended ({process.returncode})\n{self._log_tail()}")

    def _log_tail(self) -> str:
        out = []
        for name in ("etcd", "kube-apiserver"):
            log = self.directory / f"{name}.log"
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            out += [f"--- {name}", *lines[-LOG_TAIL_LINES:]]
        return "\n".join(out)


def kubeconfig(url: str, token: str, ca_base64: str) -> str:
    """The text of a kubeconfig with one cluster, one user, one context."""
    return f"""apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {{server: "{url}", certificate-authority-data: {ca_base64}}}
users:
- name: lab
  user: {{token: {token}}}
contexts:
- name: lab
  context: {{cluster: lab, user: lab}}
current-context: lab
"""


def advertised(host: str) -> str:
    """kube-apiserver will not advertise a wildcard."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


async def end(process: asyncio.subprocess.Process, *, clean: bool) -> None:
    """SIGTERM and a wait when the data matter, else (or after it) SIGKILL."""
    if process.returncode is None and clean:
        process.terminate()
        waiting = asyncio.ensure_future(process.wait())
        await asyncio.wait((waiting,), timeout=STOP_SECONDS)  # also when we are being cancelled
    if process.returncode is None:
        process.kill()
    await process.wait()


PICK_PORT = """
import socket, sys
print(socket.create_server((sys.argv[1], 0), family=int(sys.argv[2])).getsockname()[1])
"""


async def free_port(host: str, netns: str | None = None) -> int:
    """A TCP port nobody listens on now, in this or a named network namespace."""
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    if netns is None:
        with socket.create_server((host, 0), family=family) as taken:
            return int(taken.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", netns, sys.executable),
        *("-I", "-c", PICK_PORT, host, str(int(family))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    if process.returncode != 0:
        raise RealServerError(f"no free port on {host} in {netns}: {error.decode()[-500:]}")
    return int(out)
