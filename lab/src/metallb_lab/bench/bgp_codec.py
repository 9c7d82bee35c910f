"""BGP-CODEC: how fast UPDATEs are written and read, beside ExaBGP's library in the same process.

Written: a batch of prefixes with one set of attributes, as messages of the size that everybody
takes, with nothing remembered from before. Read: these messages, and then as many UPDATEs that have
a prefix and a community of their own each, as a router with a table sends them. Both libraries read
the same octets, ours from the stream that it has to cut first; both answers are compared.

Reading asks the same of both, not writing: ExaBGP sorts what it is given.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, TypeVar

from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, Series
from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import IPV4_UNICAST, Afi
from metallb_speaker.bgp.messages import HEADER_LENGTH, MESSAGE_LENGTH_MAX, MessageReader, RawUpdate
from metallb_speaker.bgp.packing import Encoder, Encoding
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.received import UpdateOptions
from metallb_speaker.bgp.rib_out import Batch
from metallb_speaker.bgp.update import parse_update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metallb_lab.bench.benchmark import Context

Result = TypeVar("Result")

FIRST = IPv4Address("10.64.0.0")
ASN = 65001
NEXT_HOP = IPv4Address("192.0.2.1")
COMMUNITY = ASN << 16 | 1
GOAL = Goal(ratio_at_least=1.0)

OPTIONS = UpdateOptions(is_internal=True, four_octet_as=True, families=frozenset((IPV4_UNICAST,)))
ENCODING = Encoding(
    is_internal=True,
    my_asn=ASN,
    four_octet_as=True,
    max_message=MESSAGE_LENGTH_MAX,
    next_hops=((Afi.IPV4, NEXT_HOP.packed),),
    add_path=frozenset(),
    otc=None,
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many prefixes, and how often."""

    prefixes: int
    runs: int


FULL = Size(10_000, 9)
SMALL = Size(300, 2)


class ExaBgp:
    """ExaBGP's library as an internal peer; it is loaded only to be measured."""

    def __init__(self) -> None:
        from exabgp.bgp.message.open import asn
        from exabgp.bgp.message.open.capability.negotiated import Negotiated
        from exabgp.logger import log
        from exabgp.protocol.family import AFI, SAFI

        log.disable()
        self._session = Negotiated({"capability": {"aigp": False}})
        self._session.asn4 = True
        self._session.local_as = self._session.peer_as = asn.ASN(ASN)
        self._session.families = [(AFI.ipv4, SAFI.unicast)]

    def routes(self, networks: Sequence[IPv4Network]) -> list[Any]:
        """Make its form of prefixes."""
        from exabgp.bgp.message.action import Action
        from exabgp.bgp.message.update.nlri.cidr import CIDR
        from exabgp.bgp.message.update.nlri.inet import INET
        from exabgp.protocol.family import AFI, SAFI
        from exabgp.protocol.ip import IPv4

        made = []
        for network in networks:
            route = INET(AFI.ipv4, SAFI.unicast, Action.ANNOUNCE)
            route.cidr = CIDR(network.network_address.packed, network.prefixlen)
            route.nexthop = IPv4.create(str(NEXT_HOP))
            made.append(route)
        return made

    def attributes(self) -> Any:
        """Make its form of the attributes that ours have."""
        from exabgp.bgp.message.update import attribute as kinds
        from exabgp.bgp.message.update.attribute.community.initial.communities import Communities
        from exabgp.bgp.message.update.attribute.community.initial.community import Community

        made = kinds.Attributes()
        made.add(kinds.Origin(kinds.Origin.IGP))
        made.add(kinds.ASPath([]))
        made.add(kinds.NextHop(str(NEXT_HOP)))
        made.add(kinds.LocalPreference(100))
        made.add(Communities([Community(COMMUNITY.to_bytes(4, "big"))]))
        return made

    def encode(self, routes: list[Any], attributes: Any) -> list[bytes]:
        """Write UPDATEs."""
        from exabgp.bgp.message.update import Update

        return list(Update(routes, attributes).messages(self._session))

    def decode(self, bodies: Sequence[bytes]) -> list[object]:
        """Read bodies; gives the prefixes in its own form."""
        from exabgp.bgp.message.direction import Direction
        from exabgp.bgp.message.update import Update

        found = [Update.unpack_message(body, Direction.IN, self._session) for body in bodies]
        return [route.cidr for update in found for route in update.nlris]


def networks(count: int) -> list[IPv4Network]:
    """So many addresses, as a load balancer announces them."""
    return [IPv4Network(FIRST + number) for number in range(count)]


def encode(prefixes: Sequence[Prefix]) -> bytes:
    """Write UPDATEs, by an encoder that remembers nothing yet."""
    attributes = RouteAttributes(communities=(COMMUNITY,))
    batch = Batch({}, {(Afi.IPV4, attributes): [prefix.nlri for prefix in prefixes]})
    return Encoder().encode(ENCODING, batch).data


def encode_each(prefixes: Sequence[Prefix]) -> bytes:
    """Write an UPDATE for each prefix, with a community of its own."""
    announced = {
        (int(Afi.IPV4), RouteAttributes(communities=(number,))): [prefix.nlri]
        for number, prefix in enumerate(prefixes)
    }
    return Encoder().encode(ENCODING, Batch({}, announced)).data


def decode(stream: bytes) -> list[Prefix]:
    """Cut a stream into UPDATEs and read them."""
    reader, found = MessageReader(), list[Prefix]()
    reader.feed(stream)
    while (message := reader.next_message()) is not None:
        assert isinstance(message, RawUpdate)
        found += parse_update(message.body, OPTIONS).announced
    return found


def bodies(stream: bytes) -> list[bytes]:
    """Cut a stream for ExaBGP, whose reactor does that."""
    found, at = [], 0
    while at < len(stream):
        length = int.from_bytes(stream[at + 16 : at + 18], "big")
        found.append(stream[at + HEADER_LENGTH : at + length])
        at += length
    return found


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Do it; gives the seconds and what it gave."""
    started_at = time.perf_counter()
    result = work()
    return time.perf_counter() - started_at, result


class Rates:
    """Prefixes a second of every run, ours and ExaBGP's, by what was done."""

    def __init__(self) -> None:
        self.ours: dict[str, list[float]] = {}
        self.theirs: dict[str, list[float]] = {}

    def add(self, work: str, prefixes: int, ours: float, theirs: float) -> None:
        """Take the seconds of one run."""
        self.ours.setdefault(work, []).append(prefixes / ours)
        self.theirs.setdefault(work, []).append(prefixes / theirs)

    def figure(self, identity: str, work: str, text: str) -> Figure:
        """Make a figure."""
        return Figure(
            id=identity,
            work=text,
            unit="prefixes/s",
            ours=Series(tuple(self.ours[work]), more_is_better=True),
            peer=Peer("ExaBGP's library", Series(tuple(self.theirs[work]), more_is_better=True)),
            goal=GOAL,
        )


def check(ours: Sequence[Prefix], theirs: Sequence[object], wanted: Sequence[IPv4Network]) -> None:
    """See that both have read what was to be read; raises BenchmarkError."""
    texts = [str(network) for network in wanted]
    for name, found in (("ours", ours), ("ExaBGP", theirs)):
        if sorted(map(str, found)) != sorted(texts):
            raise BenchmarkError(f"{name} did not read the prefixes that were written")


def run(peer: ExaBgp, count: int, rates: Rates) -> None:
    """Write and read once."""
    wanted = networks(count)
    prefixes = [Prefix.of(network) for network in wanted]
    routes, attributes = peer.routes(wanted), peer.attributes()
    ours, stream = timed(partial(encode, prefixes))
    theirs, messages = timed(partial(peer.encode, routes, attributes))
    check(decode(stream), peer.decode([item[HEADER_LENGTH:] for item in messages]), wanted)
    rates.add("encode", count, ours, theirs)
    for work, octets in (("decode", stream), ("decode each", encode_each(prefixes))):
        cut = bodies(octets)
        ours, mine = timed(partial(decode, octets))
        theirs, other = timed(partial(peer.decode, cut))
        check(mine, other, wanted)
        rates.add(work, count, ours, theirs)


async def measure(context: Context) -> list[Figure]:
    """Measure all three figures."""
    size = SMALL if context.is_small else FULL
    peer, rates = ExaBgp(), Rates()
    for number in range(size.runs):
        run(peer, size.prefixes, rates)
        last = [f"{work} {found[-1]:.0f}/s" for work, found in rates.ours.items()]
        context.say(f"run {number + 1}: {', '.join(last)}")
    many = f"{size.prefixes} prefixes"
    return [
        rates.figure("BGP-CODEC", "encode", f"{many} alike written as UPDATEs of 4096 octets"),
        rates.figure("BGP-CODEC-decode", "decode", f"{many} read from UPDATEs of 4096 octets"),
        rates.figure("BGP-CODEC-each", "decode each", f"{many} read, each from its own UPDATE"),
    ]


BENCHMARK = Benchmark("BGP-CODEC", "BGP codec", measure, needs_lab=False)
