"""How long an image takes from its start under runc until it says that it is ready."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.cluster import Cluster, ClusterOptions
from metallb_lab.objects import NAMESPACE
from module.images.running import Setting, running
from support.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from metallb_lab.images import Image

pytestmark = [pytest.mark.netns, pytest.mark.real, pytest.mark.timeout(900)]

PORTS = {"controller": 7472, "speaker": 7474}


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
    started_at = time.monotonic()

    def answers() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        return is_ready(around.network, PORTS[image.name])

    process: subprocess.Popen[bytes]
    with running(directory, image, [*image.entrypoint, *arguments], around) as process:
        await until(answers, f"{image.name} to be ready")
        return time.monotonic() - started_at


async def test_images_get_ready(images: dict[str, Image], tmp_path: Path) -> None:
    options = ClusterOptions(nodes=2, controllers=1, speakers=False, data_path=False)
    async with Cluster(options) as cluster:
        await asyncio.gather(*(process.stop() for process in cluster.controllers.values()))
        kubeconfig = cluster.plane.inside_kubeconfig
        common = ("--kubeconfig", str(kubeconfig), "--namespace", NAMESPACE)
        shared = Setting(reads=(cluster.instance.directory,))
        (controller,) = cluster.controllers
        node = cluster.topology.nodes[0]
        keys = cluster.instance.directory / "keys"
        keys.write_text(64 * "a" + "\n")
        took = {
            "controller": await time_to_ready(
                tmp_path / "controller",
                images["controller"],
                [*common, "--identity", "one"],
                Setting(network=cluster.instance.namespace(controller), reads=shared.reads),
            ),
            "speaker": await time_to_ready(
                tmp_path / "speaker",
                images["speaker"],
                [*common, "--node-name", node.name, "--key-file", str(keys)],
                Setting(
                    capabilities=("CAP_NET_RAW",),
                    network=node.namespace,
                    reads=shared.reads,
                    memory=("/run/metallb",),
                ),
            ),
        }
    print("\nstart to ready: " + ", ".join(f"{name} {s:.2f} s" for name, s in took.items()))
