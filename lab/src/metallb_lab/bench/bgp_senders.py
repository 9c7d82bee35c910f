"""Who sends routes to the sink: ours, and the programs that it is held against.

All run in the same namespace, one after the other, and announce the same host routes by external
sessions with no attributes beyond those that must be there. Each dials the sink.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metallb_lab import netns
from metallb_lab.bench.bgp_sender import host_route
from metallb_lab.bench.conversation import Conversation
from metallb_lab.instance import Instance
from metallb_lab.routers.bird import Bird
from metallb_lab.routers.exabgp import ExaBgp
from metallb_lab.routers.frr import Frr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

ASN, SINK_ASN = 65_001, 65_002
SENDER_ADDRESS = "10.9.0.1"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A sender that runs."""

    pid: int
    announce: Callable[[], Awaitable[Any]] | None = None
    """Announce everything now; None: it does so as soon as a session is up."""


@dataclass(frozen=True, slots=True)
class Site:
    """Two namespaces with a wire between them, and the addresses of the sink."""

    instance: Instance
    sender: str
    sink: str
    peers: tuple[str, ...]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_name(self, kind: str) -> str:
        """Name a router that is started anew."""
        return f"{kind}{next(self._numbers)}"

    @contextlib.asynccontextmanager
    async def hearing(self, prefixes: int) -> AsyncIterator[Conversation]:
        """Run the sink."""
        arguments = ["--asn", str(SINK_ASN), "--sessions", str(len(self.peers))]
        sink = Conversation(
            "metallb_lab.bench.bgp_sink", *arguments, "--prefixes", str(prefixes),
            namespace=self.sink,
        )  # fmt: skip
        async with sink:
            await sink.hear(START_SECONDS)
            yield sink


@contextlib.contextmanager
def site(peers: int) -> Iterator[Site]:
    """Make the namespaces; the sink has an address for each peer."""
    addresses = tuple(f"10.9.1.{number}" for number in range(1, peers + 1))
    with Instance() as lab:
        sender, sink = lab.namespace("a"), lab.namespace("b")
        for name in (sender, sink):
            netns.run("ip", "netns", "add", name)
        netns.ip_batch([f"link add eth0 type veth peer name eth0 netns {sink}"], sender)
        up = ["link set lo up", "link set eth0 up"]
        netns.ip_batch([*up, f"addr add {SENDER_ADDRESS}/16 dev eth0"], sender)
        netns.ip_batch([*up, *(f"addr add {item}/16 dev eth0" for item in addresses)], sink)
        yield Site(lab, sender, sink, addresses)


@contextlib.asynccontextmanager
async def ours(where: Site, prefixes: int, *, at_once: bool) -> AsyncIterator[Running]:
    """Run our BGP as the speaker runs it; `at_once`: with the routes from the beginning."""
    arguments = ("--asn", str(ASN), "--peer-asn", str(SINK_ASN), *where.peers)
    sender = Conversation("metallb_lab.bench.bgp_sender", *arguments, namespace=where.sender)
    async with sender:
        if at_once:
            await sender.ask(START_SECONDS, prefixes=prefixes)
        await sender.ask(START_SECONDS, dial=True)
        yield Running(sender.pid, lambda: sender.ask(START_SECONDS, prefixes=prefixes))


@contextlib.asynccontextmanager
async def bird(where: Site, prefixes: int, *, at_once: bool) -> AsyncIterator[Running]:
    """Run BIRD."""
    text = bird_configuration(where.peers, prefixes, at_once=at_once)
    async with Bird(where.instance, where.sender, text, where.new_name("bird")) as router:
        yield Running(router.processes[0].pid, lambda: router.birdc("enable vips"))


def bird_configuration(peers: Sequence[str], prefixes: int, *, at_once: bool) -> str:
    """Give BIRD's configuration: static routes, one session for each peer."""
    routes = "\n".join(f"  route {host_route(number)} blackhole;" for number in range(prefixes))
    sessions = "\n".join(
        f"protocol bgp from sink {{ neighbor {peer} as {SINK_ASN}; }}" for peer in peers
    )
    return f"""
log stderr all;
router id {SENDER_ADDRESS};
protocol device {{}}
protocol static vips {{
  {"" if at_once else "disabled yes;"}
  ipv4;
{routes}
}}
template bgp sink {{
  local {SENDER_ADDRESS} as {ASN};
  connect delay time 1;
  error wait time 1, 2;
  ipv4 {{ import none; export all; }};
}}
{sessions}
"""


@contextlib.asynccontextmanager
async def frr(where: Site, prefixes: int, *, at_once: bool) -> AsyncIterator[Running]:
    """Run FRR; only from the beginning."""
    assert at_once
    text = frr_configuration(where.peers, prefixes)
    async with Frr(where.instance, where.sender, text, where.new_name("frr")) as router:
        yield Running(next(item.pid for item in router.processes if item.name.endswith("bgpd")))


def frr_configuration(peers: Sequence[str], prefixes: int) -> str:
    """Give the configuration of FRR's bgpd, which else waits a second for more to send."""
    neighbours = [f" neighbor {peer} remote-as {SINK_ASN}" for peer in peers]
    timers = [f" neighbor {peer} timers connect 1" for peer in peers]
    networks = [f" network {host_route(number)}" for number in range(prefixes)]
    head = [
        f"router bgp {ASN}",
        f" bgp router-id {SENDER_ADDRESS}",
        " no bgp ebgp-requires-policy",
        " no bgp network import-check",
        " coalesce-time 0",
    ]
    return "\n".join([*head, *neighbours, *timers, *networks]) + "\n"


@contextlib.asynccontextmanager
async def exabgp(where: Site, prefixes: int, *, at_once: bool) -> AsyncIterator[Running]:
    """Run ExaBGP; only from the beginning."""
    assert at_once
    text = exabgp_configuration(where.peers, prefixes)
    async with ExaBgp(where.instance, where.sender, text, where.new_name("exabgp")) as router:
        yield Running(router.processes[0].pid)


def exabgp_configuration(peers: Sequence[str], prefixes: int) -> str:
    """Give ExaBGP's configuration."""
    routes = "\n".join(
        f"    unicast {host_route(number)} next-hop self;" for number in range(prefixes)
    )
    return "\n".join(
        f"""neighbor {peer} {{
  router-id {SENDER_ADDRESS}; local-address {SENDER_ADDRESS};
  local-as {ASN}; peer-as {SINK_ASN};
  family {{ ipv4 unicast; }}
  announce {{ ipv4 {{
{routes}
  }} }}
}}"""
        for peer in peers
    )
