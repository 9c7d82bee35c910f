"""The network of a lab: hosts on one bridge, pods behind nodes, a client beyond the router.

    outside (10.20.0.2, fd20::2) ── router (10.10.0.1, fd10::1) ─┐
    client  (10.10.0.100, fd10::100)  ───────────────────────────┤
    api     (10.10.0.5, fd10::5)  ───────────────────────────────┤  br0
    ctl1, ctl2 (10.10.0.6 …)  controllers  ──────────────────────┤
    n1 … nN (10.10.0.11 …, fd10::11 …)  nodes  ──────────────────┘
       └── pods (10.244.I.J, fd44:I::J), each in a namespace of its own

Every host is a network namespace with one leg, `eth0`, whose other end is a port of the bridge in
the namespace `sw`. Nothing touches the interfaces of the machine itself. Prefixes are the same in
every lab: namespaces keep them apart. VIPs belong to 10.10.128.0/17 and fd10::1:0:0/96, on the
link of all hosts.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from metallb_lab.instance import Instance

IPV4_BITS, IPV6_BITS = 16, 64
ROUTER_IPV4, ROUTER_IPV6 = "10.10.0.1", "fd10::1"
POD_PREFIXES = ("10.244.0.0/16", "fd44::/16")
VIP_IPV4_PREFIX = "10.10.128.0/17"
FIRST_NODE_NUMBER = 11
LAST_POD_PLACE = 250


@dataclass(slots=True)
class Host:
    """A host on the bridge."""

    name: str
    namespace: str
    switch: str
    number: int

    @property
    def ipv4(self) -> str:
        """Its IPv4 address."""
        return f"10.10.{self.number // 250}.{self.number % 250}"

    @property
    def ipv6(self) -> str:
        """Its IPv6 address."""
        return f"fd10::{self.number}"

    @property
    def port(self) -> str:
        """Name of its port on the bridge."""
        return f"p-{self.name}"

    def set_port(self, *, is_up: bool) -> None:
        """Plug the cable in, or pull it."""
        netns.run("ip", "-n", self.switch, "link", "set", self.port, "up" if is_up else "down")

    def run(self, *command: str) -> str:
        """Run a command in the host's namespace."""
        return netns.run("ip", "netns", "exec", self.namespace, *command)

    def mac(self) -> str:
        """MAC of its interface."""
        return self.run("cat", "/sys/class/net/eth0/address").strip()


@dataclass(slots=True)
class Pod:
    """A pod: a namespace behind a node."""

    name: str
    node: str
    namespace: str
    ipv4: str
    ipv6: str
    port: str
    """Name of its leg in the node."""


@dataclass(slots=True)
class Topology:
    """The network of one lab."""

    instance: Instance
    node_count: int
    controller_count: int = 2
    hosts: dict[str, Host] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    """The last place that was given on each node."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def switch(self) -> str:
        """Namespace of the bridge."""
        return self.instance.namespace("sw")

    @property
    def nodes(self) -> list[Host]:
        """The nodes, in order."""
        return [host for host in self.hosts.values() if host.name.startswith("n")]

    def build(self) -> None:
        """Make everything."""
        netns.run("ip", "netns", "add", self.switch)
        netns.ip_batch(
            [
                # no spanning tree, forward at once, no snooping: NDP groups must flood
                "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                "link set br0 up",
            ],
            self.switch,
        )
        self.add_host("router", 1)
        self.add_host("api", 5)
        for number in range(1, self.controller_count + 1):
            self.add_host(f"ctl{number}", 5 + number)
        self.add_host("client", 100)
        for number in range(1, self.node_count + 1):
            self.add_node(number)
        self._build_outside()

    def add_host(self, name: str, number: int) -> Host:
        """Add a host to the bridge."""
        host = Host(name, self.instance.namespace(name), self.switch, number)
        netns.run("ip", "netns", "add", host.namespace)
        netns.ip_batch(
            [
                f"link add {host.port} type veth peer name eth0 netns {host.namespace}",
                f"link set {host.port} master br0 up",
            ],
            self.switch,
        )
        lines = [
            "link set lo up",
            "link set eth0 up",
            f"addr add {host.ipv4}/{IPV4_BITS} dev eth0",
            f"addr add {host.ipv6}/{IPV6_BITS} dev eth0 nodad",
        ]
        if name != "router":
            lines += [
                f"route add default via {ROUTER_IPV4}",
                f"route add default via {ROUTER_IPV6}",
            ]
        netns.ip_batch(lines, host.namespace)
        self.hosts[name] = host
        return host

    def add_node(self, number: int) -> Host:
        """Add a node, the `number`-th, that forwards for its pods.

        Ports of pods do not look for duplicates of their link-local address: as long as they do, a
        node cannot ask by NDP for a pod that another host's packet is for (RFC 4862, §5.4).
        """
        host = self.add_host(f"n{number}", FIRST_NODE_NUMBER + number - 1)
        _sysctl(
            host.namespace,
            *("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
            "net.ipv6.conf.default.accept_dad=0",
        )
        for other in self.nodes:
            if other is not host:
                _route_pods(host, other)
                _route_pods(other, host)
        return host

    def add_pod(self, name: str, node: str) -> Pod:
        """Add a pod behind a node."""
        host, index = self.hosts[node], int(node[1:])
        pod = self._new_pod(name, node)
        port = pod.port
        netns.run("ip", "netns", "add", pod.namespace)
        netns.ip_batch(
            [
                f"link add {port} type veth peer name eth0 netns {pod.namespace}",
                f"link set {port} up",
                f"addr add 10.244.{index}.1/32 dev {port}",
                f"addr add fd44:{index}::1/128 dev {port} nodad",
                f"route add {pod.ipv4}/32 dev {port}",
                f"route add {pod.ipv6}/128 dev {port}",
            ],
            host.namespace,
        )
        netns.ip_batch(
            [
                "link set lo up",
                "link set eth0 up",
                f"addr add {pod.ipv4}/32 dev eth0",
                f"addr add {pod.ipv6}/128 dev eth0 nodad",
                f"route add 10.244.{index}.1 dev eth0",
                f"route add default via 10.244.{index}.1",
                f"route add fd44:{index}::1 dev eth0",
                f"route add default via fd44:{index}::1",
            ],
            pod.namespace,
        )
        return pod

    def _new_pod(self, name: str, node: str) -> Pod:
        """Give a pod its addresses: those that were free for longest."""
        index = int(node[1:])
        with self._lock:
            taken = {pod.ipv4 for pod in self.pods.values()}
            place = self._places.get(node, 1)
            while True:
                place = place + 1 if place < LAST_POD_PLACE else 2
                if f"10.244.{index}.{place}" not in taken:
                    break
            self._places[node] = place
            pod = self.pods[name] = Pod(
                name=name,
                node=node,
                namespace=self.instance.namespace(f"pod-{name}"),
                ipv4=f"10.244.{index}.{place}",
                ipv6=f"fd44:{index}::{place}",
                port=f"veth{index}-{place}",
            )
        return pod

    def remove_pod(self, name: str) -> None:
        """Remove a pod; its addresses are free again."""
        pod = self.pods[name]
        netns.ip_batch([f"link del {pod.port}"], self.hosts[pod.node].namespace)
        netns.remove([pod.namespace])
        with self._lock:
            del self.pods[name]

    def route_pods_from(self, name: str) -> None:
        """Let a host that is no node find the pods."""
        for node in self.nodes:
            _route_pods(self.hosts[name], node)

    def _build_outside(self) -> None:
        router, outside = self.hosts["router"], self.instance.namespace("outside")
        netns.run("ip", "netns", "add", outside)
        netns.ip_batch(
            [
                f"link add eth1 type veth peer name eth0 netns {outside}",
                "link set eth1 up",
                "addr add 10.20.0.1/24 dev eth1",
                "addr add fd20::1/64 dev eth1 nodad",
            ],
            router.namespace,
        )
        netns.ip_batch(
            [
                "link set lo up",
                "link set eth0 up",
                "addr add 10.20.0.2/24 dev eth0",
                "addr add fd20::2/64 dev eth0 nodad",
                "route add default via 10.20.0.1",
                "route add default via fd20::1",
            ],
            outside,
        )
        _sysctl(router.namespace, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


def _sysctl(namespace: str, *settings: str) -> None:
    netns.run("ip", "netns", "exec", namespace, "sysctl", "-qw", *settings)


def _route_pods(host: Host, other: Host) -> None:
    index = int(other.name[1:])
    netns.ip_batch(
        [
            f"route replace 10.244.{index}.0/24 via {other.ipv4}",
            f"route replace fd44:{index}::/32 via {other.ipv6}",
        ],
        host.namespace,
    )
