"""Configuration: kubeconfigs, pods with tokens that rotate, and what is said when there is none."""

from __future__ import annotations

import ssl
import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from kubernetes.client import Configuration
from kubernetes.config import incluster_config

from metallb.kube.client import ApiClient
from metallb.kube.config import ConfigurationError, connection_of, load_connection
from metallb_lab.apiserver import ApiServer
from metallb_lab.apiserver.server import make_tls_dir

if TYPE_CHECKING:
    from pathlib import Path

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters:
- {name: one, cluster: {server: "https://10.0.0.1:6443/", insecure-skip-tls-verify: true}}
- {name: two, cluster: {server: "http://10.0.0.2", tls-server-name: api.example}}
users:
- {name: me, user: {token: secret}}
- {name: nobody, user: {}}
contexts:
- {name: one, context: {cluster: one, user: me}}
- {name: two, context: {cluster: two, user: nobody}}
current-context: one
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    return str(path)


def test_a_kubeconfig_is_read(kubeconfig: str) -> None:
    found = load_connection(kubeconfig)
    assert found.base_url == "https://10.0.0.1:6443"
    assert found.authorization() == "Bearer secret"
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_NONE
    assert found.tls_server_name is None


ALONE = """
import sys
from metallb.kube.config import load_connection
found = load_connection(sys.argv[1])
print(found.authorization(), sorted(name for name in sys.modules if name.startswith("kubernetes")))
from kubernetes import config
from kubernetes.client import Configuration, CoreV1Api
assert load_connection(sys.argv[1]).authorization() == found.authorization()
"""


def test_no_more_of_the_package_is_imported_than_loads_configurations(kubeconfig: str) -> None:
    command = [sys.executable, "-c", ALONE, kubeconfig]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    header, modules = done.stdout.strip().split(" [")
    assert header == "Bearer secret"
    assert "'kubernetes.config.kube_config'" in modules
    assert "'kubernetes.dynamic'" not in modules
    assert "'kubernetes.client.api_client'" not in modules


def test_another_context_may_be_chosen(kubeconfig: str) -> None:
    found = load_connection(kubeconfig, context="two")
    assert found.base_url == "http://10.0.0.2"
    assert found.authorization() is None
    assert found.tls is None
    assert found.tls_server_name == "api.example"


@pytest.mark.parametrize("text", [None, "apiVersion: v1\nkind: Config\n", "clusters: []"])
def test_without_a_usable_configuration_it_says_so(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match="no way to the API server"):
        load_connection(str(path))


class Clock:
    """The clock by which the `kubernetes` package tells that a token is to be read again."""

    timedelta = timedelta

    def __init__(self) -> None:
        self.datetime = self
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now() + self.shift


class Pod:
    """The files of a pod's service account."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, ca: bytes) -> None:
        self.token, self.ca = directory / "token", directory / "ca.crt"
        self.token.write_text("first")
        self.ca.write_bytes(ca)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(self.token))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(self.ca))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")


@pytest.fixture
def tls_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "tls"
    directory.mkdir()
    make_tls_dir(directory, ["127.0.0.1"])
    return directory


async def test_in_a_pod_the_token_is_read_again_as_it_is_rotated(
    tmp_path: Path, tls_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file to the header of a request over TLS: the server takes the new token only."""
    pod = Pod(tmp_path, monkeypatch, (tls_dir / "ca.pem").read_bytes())
    async with ApiServer(tls_dir=tls_dir) as server:
        server.auth.add("controller", "system:masters", token="first")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        clock = Clock()
        monkeypatch.setattr(incluster_config, "datetime", clock)
        connection = load_connection(clock=lambda: clock.shift.total_seconds())
        async with ApiClient(connection) as client:
            await client.request("GET", "/api/v1/namespaces/default")
            server.auth.tokens.clear()
            server.auth.add("controller", "system:masters", token="second")
            pod.token.write_text("second")
            clock.shift = timedelta(minutes=2)
            await client.request("GET", "/api/v1/namespaces/default")
        assert connection.authorization() == "bearer second"


def test_a_pod_with_a_kubeconfig_in_its_environment_uses_that(
    kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    assert load_connection().base_url == "https://10.0.0.1:6443"


def test_client_certificates_are_loaded(tls_dir: Path) -> None:
    configuration = Configuration(host="https://10.0.0.1")
    configuration.ssl_ca_cert = str(tls_dir / "ca.pem")
    configuration.cert_file = str(tls_dir / "cert.pem")
    configuration.key_file = str(tls_dir / "key.pem")
    found = connection_of(configuration)
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED


def test_a_certificate_that_is_not_there_is_a_wrong_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.replace("{token: secret}", "{client-certificate: /nowhere}"))
    with pytest.raises(ConfigurationError, match="nowhere"):
        load_connection(str(path))


def test_the_header_is_asked_for_again_only_when_it_is_old() -> None:
    """The package reads its configuration again each time, and writes come by the thousand."""
    now = [100.0]
    asked: list[str] = []

    class Configuration:
        host = "http://127.0.0.1"
        tls_server_name = None

        def get_api_key_with_prefix(self, kind: str, alias: str) -> str:
            asked.append(f"{kind}/{alias}")
            return f"Bearer {len(asked)}"

    connection = connection_of(Configuration(), clock=lambda: now[0])
    assert [connection.authorization() for _ in range(3)] == ["Bearer 1"] * 3
    now[0] += 0.9
    assert connection.authorization() == "Bearer 1"
    now[0] += 0.1
    assert connection.authorization() == "Bearer 2"
    assert asked == ["BearerToken/authorization"] * 2
