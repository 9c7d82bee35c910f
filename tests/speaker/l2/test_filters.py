"""The BPF program, on two machines: a few lines of Python and the kernel."""

from collections.abc import Iterator

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Ether

from metallb_speaker.l2.errors import FILTERED
from metallb_speaker.l2.filters import PASS_LENGTH, PROGRAM, RET_K
from metallb_speaker.l2.responder import respond
from vectors.l2 import frames
from vectors.l2.bpf import KernelFilter, run
from vectors.l2.frames import ASKER_MAC, LINK, OWNED, RECORDED, WATCHED, arp, na, ns

PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING = range(5)


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelFilter]:
    with KernelFilter(PROGRAM) as kernel:
        yield kernel


PASSED = [
    arp(1),
    arp(2),
    arp(1, sender="0.0.0.0"),
    arp(1, to=frames.NODE_MAC) + bytes(18),
    arp(2, target="10.9.0.99", to="02:00:00:00:00:77"),
    ns(),
    ns(source="::", option=None),
    ns(option=None),
    ns(option=None, options=bytes((14, 100)) + bytes(798)),
    ns()[:14] + b"\x6f\xff\xff\xff" + ns()[18:],  # traffic class and flow label
    ns(code=1),
    ns(cksum=0),
    na(),
    na(option=None),
    na(target="ff02::1"),
]
STOPPED = [
    b"",
    bytes(60),
    arp()[:41],
    ns(option=None)[:77],
    arp(3),
    arp(0),
    arp(hwtype=6),
    arp(ptype=0x86DD),
    arp(hwlen=8) + bytes(18),
    arp(plen=16) + bytes(18),
    ns(hop_limit=64),
    na()[:14] + b"\x40" + na()[15:],
    bytes(Ether(dst="33:33:00:00:00:01", src=ASKER_MAC) / IPv6(hlim=255) / ICMPv6ND_RA())
    + bytes(40),
    bytes(Ether(dst=ASKER_MAC, src=ASKER_MAC) / IPv6(hlim=255) / IPv6ExtHdrHopByHop()) + bytes(40),
    arp()[:12] + b"\x81\x00\x00\x07" + arp()[12:],
    ns()[:12] + b"\x81\x00\x00\x07" + ns()[12:],
    ns()[:12] + b"\x88\xa8\x00\x07\x81\x00\x00\x07" + ns()[12:],
]


@pytest.mark.parametrize("frame", PASSED)
def test_arp_and_ndp_pass_whole(frame: bytes, kernel: KernelFilter) -> None:
    assert run(PROGRAM, frame) == PASS_LENGTH
    assert kernel.passes(frame)


@pytest.mark.parametrize("frame", STOPPED)
def test_all_else_is_stopped(frame: bytes, kernel: KernelFilter) -> None:
    assert run(PROGRAM, frame) == 0
    assert not kernel.passes(frame)


def test_recorded_frames_pass_unless_the_responder_would_drop_their_kind(
    kernel: KernelFilter,
) -> None:
    assert len(RECORDED) >= frames.RECORDED_FLOOR
    for vector in RECORDED:
        frame = bytes.fromhex(vector["frame"])
        is_kind = respond(frame, LINK, OWNED, WATCHED) not in FILTERED
        assert bool(run(PROGRAM, frame)) is kernel.passes(frame) is is_kind, vector["name"]


@pytest.mark.parametrize(
    ("packet_type", "passes"),
    [
        (PACKET_HOST, True),
        (PACKET_BROADCAST, True),
        (PACKET_MULTICAST, True),
        (PACKET_OTHERHOST, False),
        (PACKET_OUTGOING, False),
    ],
)
def test_frames_of_others_and_our_own_are_stopped(packet_type: int, passes: bool) -> None:
    for frame in (arp(), ns(), na()):
        assert bool(run(PROGRAM, frame, packet_type=packet_type)) is passes


@pytest.mark.parametrize(
    ("tag", "passes"),
    [(None, True), (0, True), (5 << 13, True), (1, False), (7 | 5 << 13, False), (4095, False)],
)
def test_frame_whose_tag_the_kernel_took_out_is_stopped(tag: int | None, passes: bool) -> None:
    for frame in (arp(), ns(), na()):
        assert bool(run(PROGRAM, frame, vlan_tag=tag)) is passes


def test_program_is_sound() -> None:
    assert len(PROGRAM) <= 64
    reachable = {0}
    for at, (code, jump_true, jump_false, k) in enumerate(PROGRAM):
        assert 0 <= k < 1 << 32
        assert at in reachable, f"instruction {at} is never run"
        if code != RET_K:
            reachable |= {at + 1 + jump_true, at + 1 + jump_false}
    assert max(reachable) == len(PROGRAM) - 1


def test_machine_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="not known"):
        run([(0xFF, 0, 0, 0)], b"")
    with pytest.raises(ValueError, match="ran off"):
        run([(0x80, 0, 0, 0)], b"")
