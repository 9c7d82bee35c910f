"""Laws of l2 over frames and schedules that nobody thought of.

The judge of the responder is written on scapy's decoder and encoder, from the RFCs and not from our
code: it says what the answer to a frame is, octet by octet, or that there is none.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6, in6_chksum, in6_getnsma, in6_getnsmac
from scapy.layers.l2 import ARP, Ether
from scapy.utils6 import in6_isllsnmaddr, in6_ismaddr

from metallb_speaker.l2 import ndp
from metallb_speaker.l2.errors import FILTERED, DropReason
from metallb_speaker.l2.filters import PROGRAM
from metallb_speaker.l2.gratuitous import (
    ARP_FRAMES_PER_ROUND,
    ARP_ROUNDS_SECONDS,
    BURST_FRAMES,
    FRAMES_PER_SECOND,
    NA_FRAMES_PER_ROUND,
    NA_ROUNDS_SECONDS,
    Schedule,
)
from metallb_speaker.l2.groups import SolicitedNodeGroups
from metallb_speaker.l2.responder import Answer, Sighting, respond
from vectors.l2.bpf import KernelFilter, run
from vectors.l2.frames import (
    ALL_NODES_MAC,
    ASKER_IPV4,
    ASKER_IPV6,
    ASKER_MAC,
    BROADCAST,
    LINK,
    NODE_LINK_LOCAL,
    NODE_MAC,
    OWNED,
    RECORDED,
    VIP4,
    VIP6,
    WATCHED,
    arp,
    na,
    ns,
    with_checksum,
)

# ------------------------------------------------------------------ frames

GOOD = [
    arp(),
    arp(to=NODE_MAC),
    arp(sender="0.0.0.0"),
    arp(2, sender="10.9.0.51"),
    arp(sender="10.9.0.51", target="10.9.0.51"),
    arp(mac=NODE_MAC, source=ASKER_MAC),
    arp() + bytes(18),
    ns(),
    ns()[:14] + b"\x6f\xff\xff\xff" + ns()[18:],  # traffic class and flow label
    ns(source="::", option=None),
    ns(option=None),
    ns(destination=VIP6, to=NODE_MAC),
    ns(options=bytes.fromhex("0e01f452af7bbbc8")),
    ns() + bytes(10),
    na(),
    na(option=None),
    na(destination=NODE_LINK_LOCAL, to=NODE_MAC, solicited=1),
    *(bytes.fromhex(vector["frame"]) for vector in RECORDED),
]

OCTETS_THAT_MATTER = st.sampled_from(
    [0, 1, 2, 4, 6, 8, 0x0B, 0x3A, 0x40, 0x60, 0x6F, 0x87, 0x88, 0xFF]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good frame with an octet or two changed, or cut, or padded; most with a right checksum."""
    frame = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        at = draw(st.integers(0, len(frame) - 1) | st.integers(12, 23))
        frame[at] = draw(OCTETS_THAT_MATTER | st.integers(0, 255))
    fixed = bytes(frame)
    if fixed[12:14] == b"\x86\xdd" and len(frame) >= 58 and draw(st.sampled_from([1, 1, 0])):
        fixed = with_checksum(fixed)
    if draw(st.sampled_from([0, 0, 0, 1])):
        fixed = fixed[: draw(st.integers(0, len(fixed)))]
    return fixed + draw(st.just(b"") | st.binary(max_size=40))


@st.composite
def resized(draw: st.DrawFn) -> bytes:
    """A good NDP frame, cut or grown, with an IP length that may fit, and a right checksum."""
    frame = draw(st.sampled_from([good for good in GOOD if good[12:14] == b"\x86\xdd"]))
    frame = frame[: draw(st.integers(58, len(frame)))] + draw(st.binary(max_size=17))
    length = len(frame) - 54
    length = draw(st.sampled_from([length, length // 8 * 8, length // 8 * 8 + 8, length + 1]))
    return with_checksum(frame[:18] + length.to_bytes(2, "big") + frame[20:])


@st.composite
def noise(draw: st.DrawFn) -> bytes:
    """Random octets behind an EtherType that is ours more often than not."""
    ethertypes = st.sampled_from([b"\x08\x06", b"\x86\xdd", b"\x81\x00"])
    ethertype = draw(ethertypes | st.binary(max_size=2))
    return draw(st.binary(min_size=12, max_size=12)) + ethertype + draw(st.binary(max_size=120))


MACS = st.sampled_from(
    [NODE_MAC, ASKER_MAC, BROADCAST, ALL_NODES_MAC, "33:33:ff:00:00:50", "00:00:00:00:00:00"]
)
IPV4S = st.sampled_from([VIP4, ASKER_IPV4, "10.9.0.51", "10.9.0.7", "0.0.0.0"])
IPV6S = st.sampled_from(
    [VIP6, ASKER_IPV6, "fd09::51", "fd09::7", "::", "ff02::1", "ff02::1:ff00:50"]
)


@st.composite
def options(draw: st.DrawFn) -> bytes:
    """A few options, most of which have the length that they say."""
    octets = b""
    for _ in range(draw(st.integers(0, 3))):
        units = draw(st.sampled_from([1, 1, 1, 1, 2, 0]))
        value = bytes.fromhex(draw(MACS).replace(":", "")).ljust(max(units, 1) * 8 - 2, b"\0")
        claimed = draw(st.sampled_from([units] * 9 + [units + 1]))
        octets += bytes((draw(st.sampled_from([1, 2, 14])), claimed)) + value
    return octets


@st.composite
def some_of(draw: st.DrawFn, choices: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Values for at most two of the arguments; the rest keep the defaults of a good frame."""
    names = draw(st.lists(st.sampled_from(sorted(choices)), max_size=2, unique=True))
    return {name: draw(choices[name]) for name in names}


ARP_FRAMES = st.builds(
    lambda arguments: arp(**arguments),
    some_of(
        {
            "op": st.sampled_from([1, 2, 3]),
            "sender": IPV4S,
            "target": IPV4S,
            "mac": MACS,
            "source": MACS,
            "to": MACS,
            "target_mac": MACS,
        }
    ),
)
NS_CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "target": IPV6S,
    "source": IPV6S,
    "destination": IPV6S,
    "mac": MACS,
    "to": MACS,
    "option": MACS,
    "hop_limit": st.sampled_from([64, 254]),
    "code": st.just(1),
}
NS_FRAMES = st.builds(
    lambda arguments, octets: ns(**{"option": None, "options": octets} | arguments),
    some_of(NS_CHOICES),
    options(),
)
DAD_FRAMES = st.builds(
    lambda arguments: ns(**{"option": None, "source": "::"} | arguments), some_of(NS_CHOICES)
)
NA_FRAMES = st.builds(
    lambda arguments: na(**arguments),
    some_of(
        {
            "target": IPV6S,
            "source": IPV6S,
            "destination": IPV6S,
            "mac": MACS,
            "to": MACS,
            "option": MACS | st.none(),
            "solicited": st.just(1),
            "code": st.just(1),
        }
    ),
)
KINDS = {
    "arp": ARP_FRAMES,
    "ns": NS_FRAMES,
    "dad": DAD_FRAMES,
    "na": NA_FRAMES,
    "mutated": mutated(),
    "resized": resized(),
    "noise": noise(),
}
FRAMES = st.one_of(*KINDS.values())
BATCH = 12
"""Frames in one example: what decides is rare, and one frame an example meets too little of it."""


# ------------------------------------------------------------------ the judge


Verdict = bytes | tuple[str, str, str] | None
"""The frame of an answer; address, MAC and kind of a sighting; or neither."""

WATCHED_TEXTS = {str(ip_address(address)) for address in WATCHED}


def is_station(mac: str) -> bool:
    return not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def arp_verdict(frame: bytes) -> Verdict:
    """What RFC 826 and our rules ask for, by scapy."""
    if len(frame) < 42 or frame[18:20] != b"\6\4":  # scapy itself trips over other lengths
        return None
    ether, packet = Ether(frame[:14]), ARP(frame[14:42])
    if (packet.hwtype, packet.ptype) != (1, 0x800) or packet.op not in (1, 2):
        return None
    if ether.dst not in (BROADCAST, NODE_MAC) or NODE_MAC in (ether.src, packet.hwsrc):
        return None
    if not is_station(packet.hwsrc):
        return None
    if packet.op == 1 and packet.pdst == VIP4 != packet.psrc:
        return bytes(
            Ether(dst=packet.hwsrc, src=NODE_MAC)
            / ARP(op=2, hwsrc=NODE_MAC, psrc=VIP4, hwdst=packet.hwsrc, pdst=packet.psrc)
        )
    if packet.psrc not in WATCHED_TEXTS:
        return None
    kind = {1: "ArpRequest", 2: "ArpReply"}[packet.op]
    return packet.psrc, packet.hwsrc, "ArpAnnouncement" if packet.psrc == packet.pdst else kind


def link_layer_option(octets: bytes, wanted: int) -> str | None:
    """The MAC in the first wanted option, "" without one; None if any option is malformed."""
    found = ""
    while octets:
        if len(octets) < 8 or octets[1] == 0 or octets[1] * 8 > len(octets):
            return None
        if octets[0] == wanted and not found:
            if octets[1] != 1:
                return None
            found = octets[2:8].hex(":")
        octets = octets[octets[1] * 8 :]
    return found


def ndp_verdict(frame: bytes) -> Verdict:
    """What RFC 4861 §7.1 and §7.2.4 and our rules ask for, by scapy."""
    if len(frame) < 78:
        return None
    ether, ip = Ether(frame[:14]), IPv6(frame[14:54])
    body = frame[54 : 54 + ip.plen]
    if (ip.version, ip.nh, ip.hlim, len(body)) != (6, 58, 255, ip.plen) or len(body) < 24:
        return None
    if body[0] not in (135, 136) or body[1] or in6_chksum(58, ip, body) not in (0, 0xFFFF):
        return None
    is_question = body[0] == 135
    message = (ICMPv6ND_NS if is_question else ICMPv6ND_NA)(body[:24])
    option = link_layer_option(body[24:], 1 if is_question else 2)
    if option is None or in6_ismaddr(message.tgt) or in6_ismaddr(ip.src):
        return None
    if ip.src == "::" and (not is_question or option or not in6_isllsnmaddr(ip.dst)):
        return None
    if not is_question and message.S and in6_ismaddr(ip.dst):
        return None
    mac = option or ether.src
    group = in6_getnsmac(in6_getnsma(IPv6Address(message.tgt).packed))
    if ether.dst not in (NODE_MAC, ALL_NODES_MAC, group):
        return None
    if NODE_MAC in (ether.src, mac) or not is_station(mac):
        return None
    if not is_question:
        kind = "SolicitedAdvertisement" if message.S else "UnsolicitedAdvertisement"
        return (message.tgt, mac, kind) if message.tgt in WATCHED_TEXTS else None
    if message.tgt == VIP6 != ip.src:
        to = {} if ip.src == "::" else {"destination": ip.src, "to": mac, "solicited": 1}
        return na(target=VIP6, mac=NODE_MAC, option=NODE_MAC, **to)
    return (ip.src, mac, "NeighborSolicitation") if ip.src in WATCHED_TEXTS else None


def verdict(frame: bytes) -> Verdict:
    if frame[12:14] == b"\x08\x06":
        return arp_verdict(frame)
    return ndp_verdict(frame) if frame[12:14] == b"\x86\xdd" else None


def ours(frame: bytes) -> Verdict:
    """What the responder says, in the judge's form."""
    outcome = respond(frame, LINK, OWNED, WATCHED)
    if isinstance(outcome, Answer):
        return outcome.frame
    if isinstance(outcome, Sighting):
        return str(ip_address(outcome.address)), str(outcome.mac), outcome.kind.value
    return None


# ------------------------------------------------------------------ laws of the responder


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_outcome_is_the_judges(kind: str, data: st.DataObject) -> None:
    for frame in data.draw(st.lists(KINDS[kind], min_size=BATCH, max_size=BATCH)):
        outcome = ours(frame)
        event(outcome[2] if isinstance(outcome, tuple) else type(outcome).__name__)
        assert outcome == verdict(frame), frame.hex()


@given(FRAMES)
def test_node_that_owns_and_watches_nothing_drops_all(frame: bytes) -> None:
    assert isinstance(respond(frame, LINK, frozenset()), DropReason)


@given(FRAMES, st.binary(max_size=60))
def test_padding_changes_nothing_once_the_message_is_whole(frame: bytes, padding: bytes) -> None:
    outcome = respond(frame, LINK, OWNED, WATCHED)
    if not isinstance(outcome, DropReason):
        assert respond(frame + padding, LINK, OWNED, WATCHED) == outcome


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_filter_passes_exactly_what_is_arp_or_ndp_to_the_responder(
    kind: str, data: st.DataObject
) -> None:
    with KernelFilter(PROGRAM) as kernel:
        for frame in data.draw(st.lists(KINDS[kind], min_size=BATCH, max_size=BATCH)):
            passes = bool(run(PROGRAM, frame))
            assert passes is kernel.passes(frame), frame.hex()
            is_kind = respond(frame, LINK, OWNED, WATCHED) not in FILTERED
            assert passes is is_kind, frame.hex()


ADDRESSES6 = st.integers(1, (0xFF << 120) - 1).map(lambda number: number.to_bytes(16, "big"))
STATIONS = st.binary(min_size=5, max_size=5).map(lambda octets: b"\x02" + octets)


@given(STATIONS, ADDRESSES6, ADDRESSES6)
def test_ndp_that_we_build_is_what_scapy_builds(mac: bytes, source: bytes, target: bytes) -> None:
    at, from_, about = mac.hex(":"), str(IPv6Address(source)), str(IPv6Address(target))
    solicitation = ndp.encode_solicitation(mac, source, target)
    assert solicitation == ns(source=from_, target=about, mac=at, option=at)
    advertisement = ndp.encode_unsolicited(mac, source, target)
    assert advertisement == na(source=from_, target=about, mac=at, option=at)
    message = ndp.decode(solicitation)
    assert isinstance(message, ndp.NdpMessage)
    assert (message.source, message.target, message.stated_mac) == (source, target, mac)


# ------------------------------------------------------------------ laws of the schedule

NAMES = [IPv4Address(f"10.0.0.{n}").packed for n in range(3)] + [
    IPv6Address(f"fd09::{n}").packed for n in range(3)
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(NAMES)),
        st.tuples(st.just("cancel"), st.sampled_from(NAMES)),
        st.tuples(st.just("flood"), st.integers(1, 300)),
        st.tuples(st.just("wait"), st.floats(0, 3)),
        st.tuples(st.just("due"), st.integers(1, 400)),
    ),
    max_size=40,
)


class Model:
    """What each address was promised, kept in the plainest way."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.now = 0.0
        self.flooded = 0
        self.rounds: dict[bytes, list[float]] = {}  # of the present burst
        self.sent: list[tuple[float, int]] = []

    def add(self, address: bytes) -> None:
        self.schedule.add(address, self.now)
        if self.rounds.get(address, [0.0]):
            self.rounds[address] = []

    def cancel(self, address: bytes) -> None:
        self.schedule.cancel(address)
        self.rounds.pop(address, None)

    def flood(self, count: int) -> None:
        for _ in range(count):
            self.flooded += 1
            self.add((IPv4Address("10.1.0.0") + self.flooded).packed)

    def due(self, limit: int) -> int:
        addresses = self.schedule.due(self.now, limit)
        assert len(addresses) <= limit
        waiting = {address for address, rounds in self.rounds.items() if not rounds}
        for address in addresses:
            rounds = self.rounds[address]
            assert not rounds or not waiting, "a repeat went before a first round"
            waiting.discard(address)
            self._check_gap(address, rounds)
            rounds.append(self.now)
            frames = ARP_FRAMES_PER_ROUND if len(address) == 4 else NA_FRAMES_PER_ROUND
            self.sent.append((self.now, frames))
            if len(rounds) == len(offsets(address)):
                del self.rounds[address]
        assert len(self.schedule) == len(self.rounds)
        return len(addresses)

    def _check_gap(self, address: bytes, rounds: list[float]) -> None:
        if rounds:
            gap = offsets(address)[len(rounds)] - offsets(address)[len(rounds) - 1]
            assert self.now - rounds[-1] >= gap - 1e-9

    def check_pace(self) -> None:
        """In no window did more leave than a burst and the rate allow, and one address more."""
        ahead = 0.0
        last = 0.0
        for at, frames in self.sent:
            ahead = max(0.0, ahead - (at - last) * FRAMES_PER_SECOND) + frames
            assert ahead <= BURST_FRAMES + ARP_FRAMES_PER_ROUND + 1e-3
            last = at


def offsets(address: bytes) -> tuple[float, ...]:
    return ARP_ROUNDS_SECONDS if len(address) == 4 else NA_ROUNDS_SECONDS


@given(STEPS)
def test_schedule_keeps_its_promises(steps: list[tuple[str, bytes | float]]) -> None:
    model = Model()
    for name, argument in steps:
        match name, argument:
            case "add", bytes(address):
                model.add(address)
            case "cancel", bytes(address):
                model.cancel(address)
            case "flood", int(count):
                model.flood(count)
            case "due", int(limit):
                at = model.schedule.next_at()
                is_due = at is not None and at <= model.now
                assert bool(model.due(limit)) or not is_due
            case _, seconds:
                model.now += float(seconds)
    for _ in range(100_000):
        at = model.schedule.next_at()
        if at is None:
            break
        model.now = max(model.now, at)
        assert model.due(1000), "woken for nothing"
    assert not model.rounds, "a promised round was not sent"
    model.check_pace()


# ------------------------------------------------------------------ laws of the groups

FEW6 = st.builds(
    lambda head, tail: bytes((head,)) + bytes(14) + bytes((tail,)),
    st.integers(0, 3),
    st.integers(0, 3),
)


@given(st.lists(st.tuples(st.lists(FEW6, max_size=4), st.lists(FEW6, max_size=4)), max_size=12))
def test_groups_are_those_of_the_owned_addresses(
    changes: list[tuple[list[bytes], list[bytes]]],
) -> None:
    groups, owned, joined = SolicitedNodeGroups(), set[bytes](), set[bytes]()
    for added, removed in changes:
        change = groups.update(added=added, removed=removed)
        owned = (owned - set(removed)) | set(added)
        assert not joined & set(change.join)
        assert joined >= set(change.leave)
        joined = (joined | set(change.join)) - set(change.leave)
        assert joined == set(groups.joined) == {in6_getnsma(address) for address in owned}


@pytest.mark.parametrize("frame", GOOD)
def test_judge_agrees_on_every_good_frame(frame: bytes) -> None:
    assert ours(frame) == verdict(frame)


def test_good_frames_are_many_and_give_every_outcome() -> None:
    assert len(GOOD) >= 38
    verdicts = [verdict(frame) for frame in GOOD]
    assert sum(isinstance(each, bytes) for each in verdicts) >= 16
    assert len({each[2] for each in verdicts if isinstance(each, tuple)}) >= 4
