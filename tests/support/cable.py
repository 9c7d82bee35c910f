"""Two namespaces joined by a veth pair, and a raw socket at the far end of it."""

from __future__ import annotations

import json
import socket
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from scapy.layers.l2 import Ether

from metallb_lab import netns
from metallb_lab.topology import IPV4_BITS, IPV6_BITS, Host
from metallb_speaker.l2.ethernet import MacAddress
from metallb_speaker.l2.link import Link

if TYPE_CHECKING:
    from metallb_lab.instance import Instance

NEAR_MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
NEAR_IPV4, FAR_IPV4 = "10.10.0.11", "10.10.0.100"
NEAR_IPV6, FAR_IPV6 = "fd10::11", "fd10::100"
NEAR_LINK_LOCAL = "fe80::ff:fe00:1"
ETH_P_ALL = 3
FRAME_BYTES = 2048
DEADLINE_SECONDS = 20.0


class Cable:
    """The two hosts are `near` and `far`; the interface of each is `eth0`."""

    def __init__(self, instance: Instance) -> None:
        self.near = Host("near", instance.namespace("near"), "", 11)
        self.far = Host("far", instance.namespace("far"), "", 100)
        for host in (self.near, self.far):
            netns.run("ip", "netns", "add", host.namespace)
            # no wait for duplicate detection, and no frames that nobody asked for
            host.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
            host.run("sysctl", "-qw", "net.ipv6.conf.default.router_solicitations=0")
        peer = f"peer name eth0 address {FAR_MAC} netns {self.far.namespace}"
        self.ip(*f"link add eth0 address {NEAR_MAC} type veth {peer}".split())
        for host in (self.near, self.far):
            netns.ip_batch(
                [
                    "link set lo up",
                    "link set eth0 up",
                    f"addr add {host.ipv4}/{IPV4_BITS} dev eth0",
                    f"addr add {host.ipv6}/{IPV6_BITS} dev eth0 nodad",
                ],
                host.namespace,
            )
        self.raw = netns.make_socket(
            self.far.namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)
        )
        self.raw.bind(("eth0", ETH_P_ALL))
        self.raw.settimeout(DEADLINE_SECONDS)

    def close(self) -> None:
        """Close the raw socket; the namespaces go with the instance."""
        self.raw.close()

    def ip(self, *words: str) -> str:
        """Run `ip` at the near end."""
        return netns.run("ip", "-n", self.near.namespace, *words)

    def far_ip(self, *words: str) -> str:
        """Run `ip` at the far end."""
        return netns.run("ip", "-n", self.far.namespace, *words)

    def link(self, name: str = "eth0") -> Link:
        """Describe an interface of the near end."""
        [found] = json.loads(self.ip("-json", "link", "show", "dev", name))
        mac = MacAddress.parse(found["address"])
        return Link(name, found["ifindex"], mac, IPv6Address(NEAR_LINK_LOCAL))

    def send(self, *frames: Any) -> None:
        """Send frames of scapy, or bytes, from the far end."""
        for frame in frames:
            self.raw.send(bytes(frame))

    def hear(self, layer: Any) -> Any:
        """Give the next frame from the near end that has a layer, decoded."""
        while True:
            data, where = self.raw.recvfrom(FRAME_BYTES)
            frame = Ether(data)
            if where[2] != socket.PACKET_OUTGOING and frame.src == NEAR_MAC and layer in frame:
                return frame
