"""The routers beside a cluster: how they choose among equal ways."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

import pytest

from metallb_lab import fabric, instance, netns
from metallb_lab.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.netns

VIPS = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:100::1"}
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
PORT, FIRST_PORT, FLOWS = 80, 20_000, 24
WAIT_SECONDS = 5.0


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A client behind a router that has two equal ways to both addresses, n1 and n2."""
    monkeypatch.setattr(instance, "HOME", tmp_path)
    with Instance() as lab:
        found = {name: lab.namespace(name) for name in ("client", "router", "n1", "n2")}
        for name in found.values():
            netns.run("ip", "netns", "add", name)
        for number, near in enumerate(("client", "n1", "n2")):
            _join(found["router"], found[near], number, is_node=near != "client")
        ways = [f"nexthop via 10.9.{number}.2" for number in (1, 2)]
        ways6 = [f"nexthop via fd09:{number}::2" for number in (1, 2)]
        netns.ip_batch(
            [
                f"route add {VIPS['ipv4']} {' '.join(ways)}",
                f"route add {VIPS['ipv6']} {' '.join(ways6)}",
            ],
            found["router"],
        )
        netns.run("ip", "netns", "exec", found["router"], "sysctl", "-qw",
                  "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")  # fmt: skip
        yield found


def _join(router: str, near: str, number: int, *, is_node: bool) -> None:
    netns.ip_batch(
        [
            f"link add eth{number} type veth peer name eth0 netns {near}",
            f"link set eth{number} up",
            f"addr add 10.9.{number}.1/24 dev eth{number}",
            f"addr add fd09:{number}::1/64 dev eth{number} nodad",
        ],
        router,
    )
    vips = [f"addr add {VIPS['ipv4']}/32 dev lo", f"addr add {VIPS['ipv6']}/128 dev lo"]
    netns.ip_batch(
        [
            "link set lo up",
            "link set eth0 up",
            f"addr add 10.9.{number}.2/24 dev eth0",
            f"addr add fd09:{number}::2/64 dev eth0 nodad",
            f"route add default via 10.9.{number}.1",
            f"route add default via fd09:{number}::1",
            *(vips if is_node else ()),
        ],
        near,
    )


def _send(client: str, family: str, source_port: int) -> None:
    """Send one datagram by a socket of its own."""
    with netns.make_socket(client, FAMILIES[family], socket.SOCK_DGRAM) as udp:
        udp.bind(("", source_port))
        udp.connect((VIPS[family], PORT))
        udp.send(b"?")


def _receiver(heard: dict[str, socket.socket]) -> str:
    """Name the node that a datagram has come to."""
    ready, _, _ = select.select(list(heard.values()), [], [], WAIT_SECONDS)
    [name] = [name for name, udp in heard.items() if udp in ready]
    heard[name].recv(16)
    return name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_flow_goes_one_way_whichever_socket_sends_it(names: dict[str, str], family: str) -> None:
    fabric.spread_flows(names["router"])
    with contextlib.ExitStack() as stack:
        heard: dict[str, socket.socket] = {}
        for name in ("n1", "n2"):
            udp = netns.make_socket(names[name], FAMILIES[family], socket.SOCK_DGRAM)
            heard[name] = stack.enter_context(udp)
            udp.bind((VIPS[family], PORT))
        ways: list[str] = []
        for port in range(FIRST_PORT, FIRST_PORT + FLOWS):
            took = set()
            for _ in range(8):
                _send(names["client"], family, port)
                took.add(_receiver(heard))
            assert len(took) == 1, f"flow {port} was sent both ways"
            ways += took
        assert set(ways) == {"n1", "n2"}
