"""ADMIT: how long the webhook takes to answer when it knows 10 000 objects.

The objects are of all ten kinds and right. The webhook serves over TLS in this process, and is
asked by a client that keeps its connection, as the API server does: about new objects and changed
ones of each kind, right and wrong, among them advertisements that cover all pools. One value is the
median of one question's runs, so the worst value is that of the question that takes longest. The
limit beside it: `/healthz` of the same server, asked in turn with the others.
"""

from __future__ import annotations

import ssl
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from metallb.domain.everything import Everything
from metallb.tls.certificates import make_pair
from metallb_controller.admission.kinds import KINDS
from metallb_controller.admission.reviews import answer, question_of
from metallb_controller.admission.verdicts import judge
from metallb_controller.app.webhook import Webhook
from metallb_controller.app.webhook_certificate import load_pair, new_context
from metallb_lab.bench.benchmark import Benchmark, BenchmarkError
from metallb_lab.bench.figures import Figure, Goal, Peer, PeerKind, Series, percentile
from metallb_lab.objects import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from metallb_lab.bench.benchmark import Context

HOST = "127.0.0.1"
HUNDREDTHS, FEW_HUNDREDTHS = 100, 1
"""Hundredths of `SHARES`, which are of 10 000 objects."""
RUNS, FEW_RUNS = 50, 3
GOAL = Goal(worst_at_most=10.0)
SHARES = {
    "MetalLoadBalancerClass": 5,
    "MetalLoadBalancerPool": 5,
    "MetalLoadBalancerBGPPeer": 5,
    "MetalLoadBalancerConfiguration": 5,
    "IPAddressPool": 40,
    "L2Advertisement": 15,
    "BGPAdvertisement": 10,
    "BGPPeer": 5,
    "BFDProfile": 5,
    "Community": 5,
}


def spec_of(kind: str, number: int) -> dict[str, Any]:
    """Make the spec of one object; those of a kind agree with each other."""
    block = f"{number >> 8 & 255}.{number & 255}"
    router = f"192.{168 + (number >> 16)}.{block}"
    specs: dict[str, dict[str, Any]] = {
        "MetalLoadBalancerClass": {"type": "L2", "addressPool": [f"10.{block}.0/24"]},
        "MetalLoadBalancerPool": {"addresses": [f"11.{block}.0/24"]},
        "MetalLoadBalancerBGPPeer": {"myASN": 64512, "peerASN": 64513, "peerAddress": router},
        "MetalLoadBalancerConfiguration": {
            "mode": "BGP",
            "bgp": {"peerNames": [f"o-{number}"]},
            "advertisements": [{"poolNames": [f"o-{number}"]}],
        },
        "IPAddressPool": {"addresses": [f"12.{block}.0/24", f"fd00:{number:x}::/64"]},
        "L2Advertisement": {"ipAddressPools": [f"o-{number}"], "interfaces": ["eth0"]},
        "BGPAdvertisement": {
            "ipAddressPools": [f"o-{number}"],
            "communities": [f"64512:{number % 60000}"],
            "aggregationLength": 26,
        },
        "BGPPeer": {"myASN": 64512, "peerASN": 64513, "peerAddress": router, "bfdProfile": "o-0"},
        "BFDProfile": {"receiveInterval": 100},
        "Community": {"communities": [{"name": f"alias-{number}", "value": "64512:1"}]},
    }
    return specs[kind]


def object_of(kind: str, number: int, **spec: Any) -> dict[str, Any]:
    """Make one object, with some fields of its spec changed."""
    meta: dict[str, Any] = {"name": f"o-{number}"}
    if KINDS[kind].is_native:
        meta["namespace"] = NAMESPACE
    return {"kind": kind, "metadata": meta, "spec": spec_of(kind, number) | spec}


def everything_of(hundredths: int) -> tuple[Everything, int]:
    """Make the objects that the webhook knows; gives how many they are."""
    everything, count = Everything(), 0
    for kind, share in SHARES.items():
        for number in range(share * hundredths):
            everything.put(kind, KINDS[kind].read(object_of(kind, number)))
            count += 1
    return everything, count


def questions(hundredths: int) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Give what is asked: in words, the request, and whether it is to be allowed."""
    for kind, share in SHARES.items():
        new = share * hundredths
        yield f"new {kind}", {"object": object_of(kind, new)}, True
        changed = object_of(kind, 0, changed=True)
        before = object_of(kind, 0)
        yield f"changed {kind}", {"object": changed, "oldObject": before}, True
        yield f"deleted {kind}", {"object": None, "oldObject": object_of(kind, 1)}, True
    all_pools: dict[str, Any] = {"ipAddressPools": [], "aggregationLength": 24}
    wide = object_of("BGPAdvertisement", 0, **all_pools)
    before = object_of("BGPAdvertisement", 0)
    yield "BGPAdvertisement of all pools", {"object": wide, "oldObject": before}, True
    overlap = object_of("IPAddressPool", 10**6, addresses=["12.0.0.0/16"])
    yield "IPAddressPool over many others", {"object": overlap}, False
    used = {"object": None, "oldObject": object_of("BFDProfile", 0)}
    yield "BFDProfile in use deleted", used, False


def review_of(request: dict[str, Any]) -> bytes:
    """Make the body of a question."""
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return orjson.dumps({**head, "request": {"uid": "u-1", "oldObject": None, **request}})


@asynccontextmanager
async def served(everything: Everything) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Serve the webhook, and give a client that keeps its connection, and the URL."""
    pair = make_pair([HOST], datetime.now(UTC), "")
    context = new_context()
    load_pair(context, pair)

    async def review(value: Any) -> Any:
        question = question_of(value)
        return answer(question, judge(question, everything, NAMESPACE))

    webhook = Webhook(HOST, 0, context, review, lambda: None)
    await webhook.start()
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=pair.ca))
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session, f"https://{HOST}:{webhook.port}"
    finally:
        await webhook.stop()


async def measure(context: Context) -> list[Figure]:
    """Measure all questions."""
    hundredths = FEW_HUNDREDTHS if context.is_small else HUNDREDTHS
    everything, count = everything_of(hundredths)
    context.say(f"{count} objects are known")
    ours: dict[str, list[float]] = {}
    bare: list[float] = []
    async with served(everything) as (session, url):
        for _ in range(FEW_RUNS if context.is_small else RUNS):
            bare.append(await milliseconds_bare(session, url))
            for words, request, is_right in questions(hundredths):
                taken, is_allowed = await milliseconds_of(session, url, review_of(request))
                if is_allowed is not is_right:
                    raise BenchmarkError(f"{words}: allowed is {is_allowed}")
                ours.setdefault(words, []).append(taken)
    medians = {words: median(values) for words, values in ours.items()}
    slowest = max(medians, key=lambda words: medians[words])
    every = [value for values in ours.values() for value in values]
    tail = f"{percentile(every, 0.99):.2f} ms at most, the slowest {max(every):.2f} ms"
    return [
        Figure(
            id="ADMIT",
            work=f"one answer of the webhook, {count} objects; {len(ours)} questions",
            unit="ms",
            ours=Series(tuple(medians.values())),
            peer=Peer("/healthz over the same TLS", Series(tuple(bare)), PeerKind.LIMIT),
            goal=GOAL,
            notes=(
                f"the slowest is: {slowest}",
                f"of {len(every)} answers 99 % took {tail}",
            ),
        )
    ]


async def milliseconds_of(
    session: aiohttp.ClientSession, url: str, body: bytes
) -> tuple[float, bool]:
    """Ask one question; gives how long it took, and whether it was allowed."""
    headers = {"Content-Type": "application/json"}
    began_at = time.perf_counter()
    async with session.post(f"{url}/validate", data=body, headers=headers) as response:
        found = await response.read()
    taken = (time.perf_counter() - began_at) * 1000
    return taken, bool(orjson.loads(found)["response"]["allowed"])


async def milliseconds_bare(session: aiohttp.ClientSession, url: str) -> float:
    """Ask for nothing."""
    began_at = time.perf_counter()
    async with session.get(f"{url}/healthz") as response:
        await response.read()
    return (time.perf_counter() - began_at) * 1000


BENCHMARK = Benchmark("ADMIT", "answers of the webhook", measure, needs_lab=False)
