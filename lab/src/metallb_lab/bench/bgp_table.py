"""F5: a full table to a peer whose session comes up. FANOUT: routes to a hundred sessions at once.

F5 is the time from the first KEEPALIVE that the sender is sent, with which the session is
Established for it, to the last of 10 000 prefixes at the sink. Ours, BIRD, FRR and ExaBGP send in
turn, each started anew for each run, to the same sink (`bgp_sink`). Memory is the most that a
sender ever had resident; ours is the process of BGP alone, the speaker's has mirrors of the cluster
beside it.

FANOUT is the time from the order to announce 10 000 prefixes, with all sessions up and idle, to the
last of them at the last peer; BIRD is ordered by birdc. All the while, whoever sends, a reflex
process of the speaker's has a BFD session for each peer, at 50 ms x 3, with a BIRD where the sink
is (`bfd`): none may go down (FANOUT-bfd).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.bench import bfd, bgp_senders, machine
from metallb_lab.bench.benchmark import Benchmark
from metallb_lab.bench.figures import Figure, Goal, Peer, Series
from metallb_lab.bench.report import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from metallb_lab.bench.benchmark import Context
    from metallb_lab.bench.bgp_senders import Running, Site

SENDERS: Mapping[str, Callable[..., AbstractAsyncContextManager[Running]]] = {
    "ours": bgp_senders.ours,
    "BIRD": bgp_senders.bird,
    "FRR": bgp_senders.frr,
    "ExaBGP": bgp_senders.exabgp,
}
RUN_SECONDS = 120.0
TABLE_GOAL_MS = 60.0
FANOUT_GOAL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    prefixes: int
    peers: int
    runs: int


FULL = Size(10_000, 100, 9)
SMALL = Size(200, 5, 1)


@dataclass(frozen=True, slots=True)
class Sent:
    """One run of a sender."""

    milliseconds: float
    mebibytes: float
    updates: int


async def table_run(where: Site, name: str, prefixes: int) -> Sent:
    """Let a session come up, and time the table."""
    async with (
        where.hearing(prefixes) as sink,
        SENDERS[name](where, prefixes, at_once=True) as sender,
    ):
        await sink.hear(RUN_SECONDS)
        heard = _only(await sink.hear(RUN_SECONDS))
        return Sent(
            (heard["last_at"] - heard["established_at"]) * 1000,
            machine.peak_mebibytes(sender.pid),
            heard["updates"],
        )


async def fanout_run(where: Site, name: str, prefixes: int) -> float:
    """Let all sessions come up, order the routes, and time them; seconds."""
    async with (
        where.hearing(prefixes) as sink,
        SENDERS[name](where, prefixes, at_once=False) as sender,
    ):
        await sink.hear(RUN_SECONDS)
        assert sender.announce is not None
        ordered_at = time.monotonic()
        await sender.announce()
        sessions = (await sink.hear(RUN_SECONDS))["sessions"]
        return float(max(item["last_at"] for item in sessions) - ordered_at)


def _only(said: dict[str, Any]) -> dict[str, Any]:
    [found] = said["sessions"]
    return dict(found)


async def measure_table(context: Context) -> list[Figure]:
    """Measure F5."""
    size = SMALL if context.is_small else FULL
    found: dict[str, list[Sent]] = {name: [] for name in SENDERS}
    with bgp_senders.site(1) as where:
        for number in range(size.runs):
            for name, runs in found.items():
                runs.append(await table_run(where, name, size.prefixes))
                context.say(
                    f"run {number + 1}: {name} {runs[-1].milliseconds:.1f} ms, "
                    f"{runs[-1].updates} UPDATEs, {runs[-1].mebibytes:.1f} MiB"
                )
    return list(table_figures(size, found))


def table_figures(size: Size, found: Mapping[str, Sequence[Sent]]) -> list[Figure]:
    """Make a figure for each peer, and one of memory."""
    times = {name: tuple(item.milliseconds for item in runs) for name, runs in found.items()}
    memory = {name: Series(tuple(item.mebibytes for item in runs)) for name, runs in found.items()}
    work = f"{size.prefixes} prefixes to a session that comes up: first KEEPALIVE to last prefix"
    figures = [
        Figure(
            id="F5" if peer == "BIRD" else f"F5-{peer.lower()}",
            work=work,
            unit="ms",
            ours=Series(times["ours"]),
            peer=Peer(f"{peer} as the sender", Series(times[peer])),
            goal=Goal(median_at_most=TABLE_GOAL_MS, ratio_at_most=1.0),
            notes=(f"ours: {spread(times['ours'])}", f"{peer}: {spread(times[peer])}"),
        )
        for peer in SENDERS
        if peer != "ours"
    ]
    figures.append(
        Figure(
            id="F5-memory",
            work=f"most resident memory of BGP with {size.prefixes} prefixes",
            unit="MiB",
            ours=memory["ours"],
            peer=Peer("FRR's bgpd", memory["FRR"]),
            goal=Goal(),
            notes=tuple(f"{name}: {memory[name].median:.1f} MiB" for name in SENDERS),
        )
    )
    return figures


async def measure_fanout(context: Context) -> list[Figure]:
    """Measure FANOUT."""
    size = SMALL if context.is_small else FULL
    found: dict[str, list[float]] = {"ours": [], "BIRD": []}
    watched: list[bfd.Found] = []
    addresses = bfd.pairs(size.peers)
    with bgp_senders.site(size.peers) as where:
        bfd.add_addresses(where.sender, where.sink, addresses)
        async with bfd.running(where.instance, where.sender, where.sink, addresses) as ends:
            for number in range(size.runs):
                for name, runs in found.items():
                    await ends.begin()
                    runs.append(await fanout_run(where, name, size.prefixes))
                    flaps = await ends.end()
                    watched += [flaps] if name == "ours" else []
                    context.say(
                        f"run {number + 1}: {name} {runs[-1]:.3f} s, "
                        f"BFD sessions that went down: {flaps.downs}"
                    )
    return fanout_figures(size, found, watched)


def fanout_figures(
    size: Size, found: Mapping[str, Sequence[float]], watched: Sequence[bfd.Found]
) -> list[Figure]:
    """Make the figure of the time, and that of BFD meanwhile."""
    work = f"{size.prefixes} prefixes to {size.peers} peers"
    return [
        Figure(
            id="FANOUT",
            work=f"{work}, beside a BFD session for each: from the order to the end",
            unit="s",
            ours=Series(tuple(found["ours"])),
            peer=Peer("BIRD as the sender", Series(tuple(found["BIRD"]))),
            goal=Goal(worst_at_most=FANOUT_GOAL_SECONDS),
            notes=(f"ours: {spread(found['ours'])}", f"BIRD: {spread(found['BIRD'])}"),
        ),
        Figure(
            id="FANOUT-bfd",
            work=f"{work}: BFD sessions that went down meanwhile",
            unit="flaps",
            ours=Series(tuple(float(item.downs) for item in watched)),
            peer=Peer(
                "BIRD, the other end", Series(tuple(float(item.router_downs) for item in watched))
            ),
            goal=Goal(worst_at_most=0.0),
        ),
    ]


TABLE_BENCHMARK = Benchmark("F5", "a full table to a peer", measure_table)
FANOUT_BENCHMARK = Benchmark("FANOUT", "routes to a hundred peers", measure_fanout)
