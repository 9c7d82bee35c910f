"""The routers that a cluster's nodes speak BGP with, and clients behind them.

    outside  (10.20.0.2) ── router (10.10.0.1, BIRD) ──┐
                                                       ├── br0 ── n1 … nN
    outside2 (10.21.0.2) ── tor2   (10.10.0.2, FRR)  ──┘

Each router has sessions with all nodes, spreads what it forwards over those that announce the same
route (ECMP by flow), and has a client of its own, which finds VIPs only through it. Nodes find the
way back to both. VIPs of this kind belong to 198.51.100.0/24 and 2001:db8:100::/48, which are on no
link: without a route nobody finds them.

The routers run at real-time priority where they may: real ones share no processors with a cluster,
and one that waits its turn for a moment looks dead to BFD.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from metallb_lab import netns
from metallb_lab.routers.bird import Bird
from metallb_lab.routers.frr import Frr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb_lab.cluster import Cluster
    from metallb_lab.routers.model import Router
    from metallb_lab.topology import Host

NODE_ASN, BIRD_ASN, FRR_ASN = 64_500, 64_501, 64_502
VIP_PREFIXES = ("198.51.100.0/24", "2001:db8:100::/48")
BIRD_ADDRESS, FRR_ADDRESS = "10.10.0.1", "10.10.0.2"
TOR2_NUMBER = 2
PRIORITY = 5
FLOW_FIELDS = 0x37
"""Source, destination, protocol, ports: bits of the kernel's `fib_multipath_hash_fields`."""
WAYS = 64
"""So many nodes may share an address: as many as FRR knows."""


@dataclass(frozen=True, slots=True)
class FabricOptions:
    """How the routers are set up; intervals in milliseconds."""

    password: str = ""
    bfd_milliseconds: int = 0
    """0: no BFD."""
    bfd_multiplier: int = 3
    hold_seconds: int = 90
    with_frr: bool = True


def bird_configuration(nodes: Sequence[Host], options: FabricOptions) -> str:
    """Give BIRD's configuration: a session with each node, ECMP, nothing announced."""
    interval = options.bfd_milliseconds
    timers = f"interval {interval or 100} ms; multiplier {options.bfd_multiplier};"
    sessions = "\n".join(
        f"protocol bgp {host.name} from node {{ neighbor {host.ipv4} as {NODE_ASN}; }}"
        for host in nodes
    )
    return f"""
log stderr all;
router id {BIRD_ADDRESS};
protocol device {{ scan time 1; }}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; merge paths on limit {WAYS}; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; merge paths on limit {WAYS}; }}
protocol bfd {{ interface "eth0" {{ {timers} }}; }}
template bgp node {{
  local {BIRD_ADDRESS} as {BIRD_ASN};
  hold time {options.hold_seconds};
  connect delay time 1;
  error wait time 1, 4;
  {"bfd on;" if interval else ""}
  {f'password "{options.password}";' if options.password else ""}
  ipv4 {{ import all; export none; }};
  ipv6 {{ import all; export none; }};
}}
{sessions}
"""


def frr_configuration(nodes: Sequence[Host], options: FabricOptions) -> str:
    """Give the configuration of FRR's bgpd: a session with each node, ECMP, nothing announced."""
    interval, multiplier = options.bfd_milliseconds, options.bfd_multiplier
    lines = [
        f"router bgp {FRR_ASN}",
        f" bgp router-id {FRR_ADDRESS}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " bgp bestpath as-path multipath-relax",
        " neighbor nodes peer-group",
        f" neighbor nodes remote-as {NODE_ASN}",
        " neighbor nodes timers connect 1",
        f" neighbor nodes timers {max(1, options.hold_seconds // 3)} {options.hold_seconds}",
    ]
    if interval:
        lines.append(f" neighbor nodes bfd {multiplier} {interval} {interval}")
    if options.password:
        lines.append(f" neighbor nodes password {options.password}")
    lines += [f" neighbor {host.ipv4} peer-group nodes" for host in nodes]
    for family in ("ipv4", "ipv6"):
        lines += [
            f" address-family {family} unicast",
            "  neighbor nodes activate",
            f"  maximum-paths {WAYS}",
            " exit-address-family",
        ]
    return "\n".join(lines) + "\n"


class Fabric:
    """Two routers beside a cluster; use as an async context manager."""

    def __init__(self, cluster: Cluster, options: FabricOptions | None = None) -> None:
        self.cluster = cluster
        self.options = options or FabricOptions()
        topology = cluster.topology
        self.bird = Bird(
            cluster.instance,
            topology.hosts["router"].namespace,
            bird_configuration(topology.nodes, self.options),
        )
        self.frr = Frr(
            cluster.instance,
            cluster.instance.namespace("tor2"),
            frr_configuration(topology.nodes, self.options),
        )
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            spread_flows(self.bird.namespace)
            prefer(await stack.enter_async_context(self.bird))
            if self.options.with_frr:
                self._build_tor2()
                prefer(await stack.enter_async_context(self.frr))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def routers(self) -> dict[str, Bird | Frr]:
        """The routers by name."""
        return (
            {"bird": self.bird, "frr": self.frr} if self.options.with_frr else {"bird": self.bird}
        )

    @property
    def clients(self) -> dict[str, str]:
        """Namespaces of the clients, by the name of the router that each is behind."""
        name = self.cluster.instance.namespace
        found = {"bird": name("outside")}
        return {**found, "frr": name("outside2")} if self.options.with_frr else found

    def _build_tor2(self) -> None:
        topology = self.cluster.topology
        host = topology.add_host("tor2", TOR2_NUMBER)
        client = self.cluster.instance.namespace("outside2")
        netns.run("ip", "netns", "add", client)
        netns.ip_batch(
            [
                f"link add eth1 type veth peer name eth0 netns {client}",
                "link set eth1 up",
                "addr add 10.21.0.1/24 dev eth1",
                "addr add fd21::1/64 dev eth1 nodad",
            ],
            host.namespace,
        )
        netns.ip_batch(
            [
                "link set lo up",
                "link set eth0 up",
                "addr add 10.21.0.2/24 dev eth0",
                "addr add fd21::2/64 dev eth0 nodad",
                "route add default via 10.21.0.1",
                "route add default via fd21::1",
            ],
            client,
        )
        back = [f"route add 10.21.0.0/24 via {host.ipv4}", f"route add fd21::/64 via {host.ipv6}"]
        for node in topology.nodes:
            netns.ip_batch(back, node.namespace)
        forward = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        netns.run("ip", "netns", "exec", host.namespace, "sysctl", "-qw", *forward)
        spread_flows(host.namespace)


def prefer(router: Router) -> None:
    """Let a router run before all that is not at real-time priority.

    All its threads: BIRD's BFD has one of its own.
    """
    for process in router.processes:
        with contextlib.suppress(PermissionError):
            process.prefer(PRIORITY)


def spread_flows(namespace: str) -> None:
    """Let a router choose among equal ways by addresses, protocol and ports, as switches do.

    Policy 1 is meant for that, but takes the hash that the sender's socket has given a packet, and
    that is another one for each socket and after each TCP timeout: packets keep it from namespace
    to namespace, though no wire would carry it. Policy 3 reads the packet.
    """
    settings = [
        f"net.{family}.fib_multipath_hash_{name}"
        for family in ("ipv4", "ipv6")
        for name in (f"fields={FLOW_FIELDS:#x}", "policy=3")
    ]
    netns.run("ip", "netns", "exec", namespace, "sysctl", "-qw", *settings)
