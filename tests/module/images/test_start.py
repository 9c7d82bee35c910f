"""How long an image takes from its start under runc until it says that it is ready.

It finds the API server as in a pod: by the variables and files that a kubelet gives.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.controlplane import API_PORT
from metallb_lab.objects import NAMESPACE
from module.images.running import Setting, running
from support.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from metallb_lab.controlplane import ControlPlane
    from metallb_lab.images import Image

pytestmark = [pytest.mark.netns, pytest.mark.real, pytest.mark.timeout(900)]

PORTS = {"controller": 7472, "speaker": 7474}
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
KEYS = "/etc/metallb/heartbeat"


def is_ready(namespace: str, port: int) -> bool:
    """Whether `/readyz` answers 200."""
    with netns.make_socket(namespace, socket.AF_INET, socket.SOCK_STREAM, 0) as asking:
        asking.settimeout(1)
        try:
            asking.connect(("127.0.0.1", port))
            asking.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in asking.recv(100).partition(b"\r\n")[0]
        except OSError:
            return False


async def time_to_ready(
    directory: Path, image: Image, arguments: Sequence[str], around: Setting
) -> float:
    """Start an image; gives the seconds until it is ready."""

    def answers() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        return is_ready(around.network, PORTS[image.name])

    process: subprocess.Popen[bytes]
    started_at = time.monotonic()
    with running(directory, image, [*image.entrypoint, *arguments], around) as process:
        await until(answers, f"{image.name} to be ready")
        return time.monotonic() - started_at


def account(plane: ControlPlane, directory: Path) -> Path:
    """The files of a service account, readable for everybody as in a pod."""
    directory.mkdir()
    (directory / "token").write_text(plane.token)
    (directory / "namespace").write_text(NAMESPACE)
    shutil.copy(plane.ca_file, directory / "ca.crt")
    for path in directory.iterdir():
        path.chmod(0o644)
    return directory


def heartbeat_keys(directory: Path) -> Path:
    directory.mkdir()
    (directory / "keys").write_text(64 * "a" + "\n")
    return directory


async def test_images_get_ready(images: dict[str, Image], tmp_path: Path) -> None:
    options = ClusterOptions(nodes=2, controllers=1, speakers=False, data_path=False)
    async with Cluster(options) as cluster:
        await asyncio.gather(*(process.stop() for process in cluster.controllers.values()))
        (controller,) = cluster.controllers
        node = cluster.topology.nodes[0]
        env = {
            "KUBERNETES_SERVICE_HOST": cluster.plane.host.ipv4,
            "KUBERNETES_SERVICE_PORT": str(API_PORT),
            "POD_NAMESPACE": NAMESPACE,
            "POD_NAME": "one",
            "NODE_NAME": node.name,
        }
        reads = {ACCOUNT: account(cluster.plane, tmp_path / "account")}
        keys = {KEYS: heartbeat_keys(tmp_path / "keys")}
        settings = {
            "controller": Setting(
                network=cluster.instance.namespace(controller), reads=reads, env=env
            ),
            "speaker": Setting(
                capabilities=("CAP_NET_RAW",),
                network=node.namespace,
                reads=reads | keys,
                memory=("/run/metallb",),
                env=env,
            ),
        }
        arguments = [f"--namespace={NAMESPACE}"]
        took = {
            name: await time_to_ready(tmp_path / name, images[name], arguments, around)
            for name, around in settings.items()
        }
    print("\nstart to ready: " + ", ".join(f"{name} {s:.2f} s" for name, s in took.items()))
