"""The lab's network: who reaches whom, by which way, and a cable that is pulled."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.instance import Instance
from metallb_lab.topology import Host, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.netns

PATIENCE_SECONDS = 10.0
NO_WAY_SECONDS = 0.5


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    before = netns.run("ip", "-brief", "link")
    with Instance() as lab:
        topology = Topology(lab, node_count=3)
        topology.build()
        for number in (1, 2, 3):
            topology.add_pod(f"web-{number}", f"n{number}")
        topology.add_pod("second", "n1")
        yield topology
    assert netns.run("ip", "-brief", "link") == before  # the machine's own were not touched


def source_seen(source: str, target: str, address: str, seconds: float) -> str:
    """Connect from one namespace to an address in another; gives who the other one sees."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        netns.make_socket(target, family, socket.SOCK_STREAM) as listening,
        netns.make_socket(source, family, socket.SOCK_STREAM) as client,
    ):
        listening.bind((address, 0))
        listening.listen()
        listening.settimeout(PATIENCE_SECONDS)
        client.settimeout(seconds)
        client.connect(listening.getsockname()[:2])
        accepted, peer = listening.accept()
        accepted.close()
        return str(peer[0])


def test_a_new_pod_can_be_asked_for_at_once(topology: Topology) -> None:
    """A node forwards to it from its first moment: no address of its port is tentative."""
    pod = topology.add_pod("new", "n2")
    shown = topology.hosts["n2"].run("ip", "-6", "address", "show", "dev", pod.port)
    topology.remove_pod("new")
    assert "fe80::" in shown
    assert "tentative" not in shown


def test_all_hosts_reach_each_other(topology: Topology) -> None:
    hosts = topology.hosts.values()
    assert {host.name for host in hosts} == {
        "router", "api", "ctl1", "ctl2", "client", "n1", "n2", "n3",
    }  # fmt: skip
    for one, other in itertools.permutations(hosts, 2):
        for address, own in ((other.ipv4, one.ipv4), (other.ipv6, one.ipv6)):
            seen = source_seen(one.namespace, other.namespace, address, PATIENCE_SECONDS)
            assert seen == own


def test_pods_reach_pods_and_nodes_reach_pods(topology: Topology) -> None:
    pods = topology.pods.values()
    assert len({pod.ipv4 for pod in pods} | {pod.ipv6 for pod in pods}) == 8
    for one, other in itertools.permutations(pods, 2):
        for address, own in ((other.ipv4, one.ipv4), (other.ipv6, one.ipv6)):
            seen = source_seen(one.namespace, other.namespace, address, PATIENCE_SECONDS)
            assert seen == own
    for host, pod in itertools.product(topology.nodes, pods):
        for address in (pod.ipv4, pod.ipv6):
            assert source_seen(host.namespace, pod.namespace, address, PATIENCE_SECONDS)


def test_the_outside_is_behind_the_router(topology: Topology) -> None:
    outside = topology.instance.namespace("outside")
    for host in topology.nodes:
        for address, own in ((host.ipv4, "10.20.0.2"), (host.ipv6, "fd20::2")):
            assert source_seen(outside, host.namespace, address, PATIENCE_SECONDS) == own
    way = netns.run("ip", "-n", outside, "route", "get", "10.10.128.1")
    assert "via 10.20.0.1" in way


@pytest.mark.parametrize("vip", ["10.10.128.1", "10.10.254.254", "fd10::1:0:1", "fd10::1:ff:ff"])
def test_vips_are_on_the_link_and_nobody_has_them(topology: Topology, vip: str) -> None:
    for name in ("client", "n1"):
        way = netns.run("ip", "-n", topology.hosts[name].namespace, "route", "get", vip)
        assert "dev eth0" in way
        assert "via" not in way
    assert vip not in {item for host in topology.hosts.values() for item in (host.ipv4, host.ipv6)}


def test_a_pulled_cable_cuts_off_and_a_plugged_one_connects(topology: Topology) -> None:
    client, host = topology.hosts["client"].namespace, topology.hosts["n2"]
    host.set_port(is_up=False)
    with pytest.raises(OSError, match=r"timed out|No route to host"):
        source_seen(client, host.namespace, host.ipv4, NO_WAY_SECONDS)
    assert source_seen(client, topology.hosts["n1"].namespace, topology.hosts["n1"].ipv4, 5)
    host.set_port(is_up=True)
    for _ in range(20):  # the neighbour entry may be in its failed state for a moment
        with contextlib.suppress(OSError):
            source_seen(client, host.namespace, host.ipv4, NO_WAY_SECONDS)
            return
    pytest.fail("n2 does not come back")


def test_a_node_that_is_added_is_like_the_others(topology: Topology) -> None:
    host = topology.add_node(4)
    pod = topology.add_pod("on-n4", "n4")
    assert topology.nodes[-1] is host
    first = topology.pods["web-1"]
    assert source_seen(first.namespace, pod.namespace, pod.ipv4, 5) == first.ipv4
    assert source_seen(pod.namespace, first.namespace, first.ipv6, 5) == pod.ipv6


def test_macs_are_those_of_the_interfaces(topology: Topology) -> None:
    macs = [host.mac() for host in topology.hosts.values()]
    assert len(set(macs)) == len(macs)
    host = topology.hosts["n1"]
    assert f"link/ether {host.mac()}" in host.run("ip", "link", "show", "eth0")


def test_many_hosts_have_different_addresses() -> None:
    hosts = [Host(f"n{number}", "x", "x", number) for number in range(1, 2000)]
    assert len({host.ipv4 for host in hosts}) == len({host.ipv6 for host in hosts}) == 1999


def test_a_command_that_fails_says_what_it_was() -> None:
    with pytest.raises(netns.CommandError, match=r"ip -n nowhere link: exit code \d+: .*nowhere"):
        netns.run("ip", "-n", "nowhere", "link")


def test_a_thread_is_back_home_after_a_visit(topology: Topology) -> None:
    inode = "/proc/thread-self/ns/net"
    home = os.stat(inode).st_ino
    with contextlib.suppress(KeyError), netns.inside(topology.hosts["n1"].namespace):
        assert os.stat(inode).st_ino != home
        raise KeyError
    assert os.stat(inode).st_ino == home
    with pytest.raises(FileNotFoundError), netns.inside("mlab-nowhere"):
        pass
    assert os.stat(inode).st_ino == home
