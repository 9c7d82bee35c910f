"""The reflex process with a real kernel: what it says on the wire, to its policy, to its peers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from metallb_lab import netns
from metallb_speaker import control
from metallb_speaker.announce.model import Orders
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bfd.iana import State
from metallb_speaker.bfd.packet import ControlPacket, decode
from metallb_speaker.io import datagram
from metallb_speaker.io.bfd import PortKey, ReceivePort
from metallb_speaker.l2.gratuitous import ARP_ROUNDS_SECONDS, NA_ROUNDS_SECONDS
from metallb_speaker.liveness.messages import NodeState
from metallb_speaker.liveness.settings import LivenessSettings
from metallb_speaker.reflex import process
from metallb_speaker.reflex.process import Reflex, take_priority
from metallb_speaker.settings import Settings
from support.cable import DEADLINE_SECONDS, FAR_IPV4, FAR_MAC, NEAR_MAC
from support.peers import FAR_PEER, HEARTBEAT_PORT, FarSpeaker, Policy
from support.waiting import until
from support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.cable import Cable

pytestmark = pytest.mark.netns

VIP4, VIP6, OTHER = "10.10.128.50", "fd10::1:0:50", "10.10.128.51"
OTHER_MAC, STRANGER_MAC = "02:00:00:00:00:55", "02:00:00:00:00:99"
KEYS = "0" * 32
NEW_KEYS = "1" * 32
SLOW = LivenessSettings(
    interval_seconds=0.05, multiplier=20, startup_seconds=0.1, hold_down_seconds=0.2
)
"""A second of silence is a death here: a busy machine may stop all for a while."""


def orders(address: str, *nodes: str, suspended: bool = False) -> Orders:
    return Orders(ip_address(address), nodes, (), suspended)


def gratuitous_arp(address: str, mac: str) -> Any:
    frame = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
    return frame / ARP(op=1, hwsrc=mac, psrc=address, pdst=address)


def unsolicited_na(address: str, mac: str) -> Any:
    return (
        Ether(src=mac, dst="33:33:00:00:00:01")
        / IPv6(src="fe80::99", dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(tgt=address, R=0, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=mac)
    )


class Running:
    """A reflex process's work, in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.starts = 0
        self.task = asyncio.create_task(Reflex(settings, self._count_start).run())

    def _count_start(self) -> None:
        self.starts += 1

    def policy(self) -> Policy:
        return Policy(self.settings.control_socket)

    async def end(self) -> None:
        """Let it leave, as SIGTERM does."""
        if not self.task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.task


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    return Settings(
        node="near",
        namespace="d8-metallb",
        kubeconfig=None,
        key_file=keys,
        control_socket=tmp_path / "reflex.sock",
        heartbeat_port=HEARTBEAT_PORT,
        liveness=SLOW,
    )


@pytest.fixture
async def reflex(near: Cable, settings: Settings) -> AsyncIterator[Running]:
    made = Running(settings)
    yield made
    await made.end()


@pytest.fixture
async def wire(near: Cable) -> AsyncIterator[Wire]:
    async with Wire(near.far) as made:
        yield made


@pytest.fixture
async def peer(near: Cable) -> AsyncIterator[FarSpeaker]:
    made = FarSpeaker(near, SLOW, [KEYS.encode()])
    yield made
    with contextlib.suppress(ValueError):
        made.stop()


def macs(claims: list[Any]) -> set[str]:
    return {claim.mac for claim in claims}


# -- what policy is told, and the wire -------------------------------------------------------------


async def test_it_has_started_once_its_links_are_known(near: Cable, reflex: Running) -> None:
    async with reflex.policy() as policy:
        await policy.hear("links", links=[["eth0", ["10.10.0.11", "fd10::11"]]])
        assert reflex.starts == 1
        near.far_ip("link", "set", "eth0", "down")
        await policy.hear("links", links=[])
        assert reflex.starts == 1


async def test_it_says_what_it_is_and_waits_for_its_orders(reflex: Running) -> None:
    async with reflex.policy() as policy:
        await policy.hear("told")
        assert policy.said("state") == [control.state_line("STARTING")]
        await policy.hear("links", links=[["eth0", ["10.10.0.11", "fd10::11"]]])
        assert not policy.said("links", links=[])  # it says nothing before it knows them
        assert not policy.said("announced")


async def test_an_address_is_announced_again_and_again_and_answered_for(
    reflex: Running, wire: Wire
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"), orders(VIP6, "near"), orders(OTHER, "else"))
        await policy.hear("state", state="READY")
        line = await policy.hear("announced", address=VIP4)
        assert (line["reason"], line["previous"], line["interfaces"]) == ("Preferred", "", ["eth0"])
        await policy.hear("announced", address=VIP6)
        for address in (VIP4, VIP6):
            assert macs(await wire.answers(address, DEADLINE_SECONDS)) == {NEAR_MAC}
        assert await wire.who_answers(OTHER, [VIP4], DEADLINE_SECONDS) == []

        def unasked(address: str) -> list[Any]:
            found = [item for item in wire.claims if item.address == address]
            return [item.frame for item in found if not item.is_answer]

        await wire.until(lambda: len(unasked(VIP4)) >= 4, DEADLINE_SECONDS)
        await wire.until(lambda: len(unasked(VIP6)) >= 2, DEADLINE_SECONDS)
        assert [frame[ARP].op for frame in unasked(VIP4)[:4]] == [1, 2, 1, 2]
        assert {(frame[ICMPv6ND_NA].O, frame[ICMPv6ND_NA].S) for frame in unasked(VIP6)} == {(1, 0)}


async def test_it_goes_on_without_policy_and_tells_a_new_one_all(
    reflex: Running, wire: Wire
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        first = await policy.hear("announced", address=VIP4)
    assert macs(await wire.answers(VIP4, DEADLINE_SECONDS)) == {NEAR_MAC}
    async with reflex.policy() as policy:
        await policy.hear("told")
        assert policy.said("announced") == [first]
        assert policy.said("state") == [control.state_line("READY")]
        policy.say_table(orders(VIP4, "near"))
        policy.say(control.vip_line(orders(OTHER, "near")))
        await policy.hear("announced", address=OTHER)
        assert policy.said("announced", address=VIP4) == [first]


async def test_bfd_goes_on_without_policy_and_is_told_to_a_new_one(
    near: Cable, reflex: Running
) -> None:
    endpoint = Endpoint(ip_address(FAR_IPV4))
    with netns.inside(near.far.namespace):
        router = ReceivePort(PortKey.of(endpoint))
    try:
        async with reflex.policy() as policy:
            policy.say(control.bfd_line([BFDConfig(endpoint)]))
            first = await policy.hear("bfd_state", state=State.DOWN)
        for _ in range(2):  # it speaks on, though nobody is there
            await until(lambda: list(router.datagrams()), "a packet")
        async with reflex.policy() as policy:
            await policy.hear("told")
            assert policy.said("bfd_state") == [first]
            policy.say(control.bfd_line([]))
            policy.say(control.bfd_line([BFDConfig(endpoint)]))
            await policy.until(lambda: len(policy.said("bfd_state")) == 2)
    finally:
        router.close()


async def test_at_its_end_bfd_goes_on_until_policy_has_ended_bgp(
    near: Cable, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LEAVE_SECONDS", DEADLINE_SECONDS)
    endpoint = Endpoint(ip_address(FAR_IPV4))
    with netns.inside(near.far.namespace):
        router = ReceivePort(PortKey.of(endpoint))
    running = Running(settings)
    said: list[State] = []

    def hear() -> list[State]:
        for data, _, _ in router.datagrams():
            packet = decode(data)
            assert isinstance(packet, ControlPacket)
            said.append(packet.state)
        return said

    try:
        async with running.policy() as policy:
            policy.say(control.bfd_line([BFDConfig(endpoint)]))
            await policy.hear("bfd_state")
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: len(hear()) >= 3, "packets after it was asked to end")
            assert set(said) == {State.DOWN}
            assert not running.task.done()
            policy.say(control.bfd_line([]))
            await running.end()
        assert hear()[-1] is State.ADMIN_DOWN
    finally:
        router.close()


async def test_what_a_new_table_does_not_name_is_withdrawn(reflex: Running, wire: Wire) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"), orders(OTHER, "near"))
        await policy.hear("announced", address=OTHER)
        policy.say_table(orders(OTHER, "near"))
        assert (await policy.hear("withdrawn", address=VIP4))["reason"] == "Released"
        assert macs(await wire.answers(OTHER, DEADLINE_SECONDS)) == {NEAR_MAC}
        before = len(wire.claims)
        await wire.who_answers(VIP4, [OTHER], DEADLINE_SECONDS)
        assert not [item for item in wire.claims[before:] if item.address == VIP4]


async def test_a_line_that_makes_no_sense_ends_only_the_call(reflex: Running) -> None:
    async with reflex.policy() as policy:
        await policy.hear("told")
        policy.say({"do": "dance"})
        await policy.until(lambda: policy.is_over)
    async with reflex.policy() as policy:
        await policy.hear("told")


async def test_what_is_counted_is_told(
    near: Cable, settings: Settings, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    monkeypatch.setattr(process, "COUNTERS_SECONDS", 0.05)
    reflex = Running(settings)
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
        asked = len(await wire.answers(VIP4, DEADLINE_SECONDS))
        assert asked

        def total(place: int) -> int:
            lines = policy.said("counters")
            return sum(line["addresses"].get(VIP4, [0, 0, 0])[place] for line in lines)

        await policy.until(lambda: total(0) >= 1 and total(2) >= 2)
        assert total(0) == total(1)
        with netns.make_socket(near.far.namespace, socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"junk", (near.near.ipv4, HEARTBEAT_PORT))
        await policy.until(
            lambda: any(
                line["dropped_heartbeats"] == {"TooShort": 1} for line in policy.said("counters")
            )
        )
        near.send(gratuitous_arp(OTHER, FAR_MAC))
        await policy.until(
            lambda: any("NotWatched" in line["dropped_frames"] for line in policy.said("counters"))
        )
    await reflex.end()


async def all_rounds(wire: Wire, *addresses: str) -> None:
    """Wait until nothing more is said unasked."""
    frames = {4: 2 * len(ARP_ROUNDS_SECONDS), 6: len(NA_ROUNDS_SECONDS)}

    def is_over(address: str) -> bool:
        said = [item for item in wire.claims if item.address == address and not item.is_answer]
        return len(said) >= frames[ip_address(address).version]

    await wire.until(lambda: all(map(is_over, addresses)), DEADLINE_SECONDS)


# -- interfaces ------------------------------------------------------------------------------------


async def test_carrier_is_lost_and_comes_back(near: Cable, reflex: Running, wire: Wire) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
        near.far_ip("link", "set", "eth0", "down")
        assert (await policy.hear("withdrawn", address=VIP4))["reason"] == "NoInterface"
        await policy.hear("links", links=[])
        near.far_ip("link", "set", "eth0", "up")
        await policy.until(lambda: len(policy.said("announced", address=VIP4)) == 2)
        assert macs(await wire.answers(VIP4, DEADLINE_SECONDS)) == {NEAR_MAC}


async def test_a_new_mac_is_announced_and_answered_with(
    near: Cable, reflex: Running, wire: Wire
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"), orders(VIP6, "near"))
        await policy.hear("announced", address=VIP6)
        await all_rounds(wire, VIP4, VIP6)
        near.ip("link", "set", "eth0", "address", OTHER_MAC)
        await wire.until(
            lambda: (
                {VIP4, VIP6}
                <= {
                    item.address
                    for item in wire.claims
                    if item.mac == OTHER_MAC and not item.is_answer
                }
            ),
            DEADLINE_SECONDS,
        )
        assert OTHER_MAC in macs(await wire.answers(VIP4, DEADLINE_SECONDS))
        assert not policy.said("withdrawn")


async def test_a_second_interface_announces_too(near: Cable, reflex: Running) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4, interfaces=["eth0"])
        near.ip("link", "add", "lan1", "type", "veth", "peer", "name", "port1")
        near.ip("link", "set", "port1", "up", "alias", "not ours")
        near.ip("link", "set", "lan1", "up")
        await policy.hear("announced", address=VIP4, interfaces=["eth0", "lan1", "port1"])
        near.ip("link", "del", "lan1")
        await policy.until(
            lambda: policy.said("announced")[-1]["interfaces"] == ["eth0"], "eth0 alone"
        )


async def test_an_interface_that_cannot_be_opened_is_tried_again(
    near: Cable,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.02)
    tries: list[str] = []
    usual = datagram._open

    def refuse_thrice(family: socket.AddressFamily, name: str, port: int) -> socket.socket:
        tries.append(name)
        if len(tries) <= 3:
            raise PermissionError(1, "Operation not permitted")
        return usual(family, name, port)

    monkeypatch.setattr(datagram, "_open", refuse_thrice)
    reflex = Running(settings)
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
    await reflex.end()
    assert caplog.text.count("interface eth0 cannot be used: [Errno 1]") == 1


# -- peers -----------------------------------------------------------------------------------------


async def test_a_dead_peer_is_replaced(reflex: Running, peer: FarSpeaker, wire: Wire) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "far", "near"), peers={"far": FAR_PEER})
        await policy.hear("peer", node="far", alive=True)
        await peer.until(lambda: peer.near_state() is NodeState.READY)
        assert not policy.said("announced")
        peer.stop()
        assert (await policy.hear("peer", node="far", alive=False))["reason"] == "Silent"
        line = await policy.hear("announced", address=VIP4)
        assert (line["reason"], line["previous"]) == ("NodeDown", "far")
        assert SLOW.detection_seconds <= line["outage"] < DEADLINE_SECONDS
        assert macs(await wire.answers(VIP4, DEADLINE_SECONDS)) == {NEAR_MAC}


async def test_a_new_policy_is_told_which_peers_live(reflex: Running, peer: FarSpeaker) -> None:
    async with reflex.policy() as policy:
        policy.say_table(peers={"far": FAR_PEER})
        await policy.hear("peer", node="far", alive=True)
    async with reflex.policy() as policy:
        await policy.hear("told")
        assert policy.said("peer") == [control.peer_line("far", True, "")]


@pytest.mark.parametrize("address", [VIP4, VIP6])
async def test_the_next_owner_is_asked_for_and_its_answer_counts(
    near: Cable, reflex: Running, peer: FarSpeaker, address: str
) -> None:
    """The far end's kernel has the address, and announces nothing: it only answers."""
    async with reflex.policy() as policy:
        policy.say_table(orders(address, "near", "far"), peers={"far": FAR_PEER})
        await policy.hear("announced", address=address)
        await policy.hear("peer", node="far", alive=True)
        await peer.until(lambda: peer.near_state() is NodeState.READY)
        near.far_ip("addr", "add", address, "dev", "eth0")
        assert not policy.said("withdrawn")
        policy.say(control.vip_line(orders(address, "far", "near")))
        assert (await policy.hear("withdrawn", address=address))["reason"] == "TakenOver"


@pytest.mark.parametrize(("address", "announce"), [(VIP4, gratuitous_arp), (VIP6, unsolicited_na)])
async def test_the_old_owner_goes_on_until_the_new_one_is_seen(
    near: Cable, reflex: Running, peer: FarSpeaker, wire: Wire, address: str, announce: Any
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(address, "near", "far"), peers={"far": FAR_PEER})
        await policy.hear("announced", address=address)
        await policy.hear("peer", node="far", alive=True)
        await peer.until(lambda: peer.near_state() is NodeState.READY)
        policy.say(control.vip_line(orders(address, "far", "near")))
        # it asks for the new owner by a probe, so it has taken the orders; and goes on
        assert macs(await wire.answers(address, DEADLINE_SECONDS)) == {NEAR_MAC}
        assert not policy.said("withdrawn")
        near.send(announce(address, FAR_MAC))
        assert (await policy.hear("withdrawn", address=address))["reason"] == "TakenOver"


async def test_one_that_leaves_says_so_and_goes_on_until_another_has_it(
    near: Cable, reflex: Running, peer: FarSpeaker
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near", "far"), peers={"far": FAR_PEER})
        await policy.hear("announced", address=VIP4)
        await policy.hear("peer", node="far", alive=True)
        await peer.until(lambda: peer.near_state() is NodeState.READY)
        os.kill(os.getpid(), signal.SIGTERM)
        await peer.until(lambda: peer.near_state() is NodeState.LEAVING)
        near.send(gratuitous_arp(VIP4, FAR_MAC))
        assert (await policy.hear("withdrawn", address=VIP4))["reason"] == "TakenOver"
        await policy.until(lambda: policy.is_over)
    await reflex.end()


async def test_one_that_leaves_alone_does_not_wait_for_ever(
    near: Cable, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LEAVE_SECONDS", 0.05)
    reflex = Running(settings)
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
        await reflex.end()
        assert (await policy.hear("withdrawn", address=VIP4))["reason"] == "Stopped"
    assert not settings.control_socket.exists()


async def test_the_claim_of_a_stranger_is_a_conflict_and_is_answered(
    near: Cable, reflex: Running, wire: Wire
) -> None:
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
        await all_rounds(wire, VIP4)
        said = len(wire.claims)
        near.send(gratuitous_arp(VIP4, STRANGER_MAC))
        line = await policy.hear("conflict", address=VIP4)
        assert (line["mac"], line["interface"]) == (STRANGER_MAC, "eth0")
        await wire.until(lambda: len(wire.claims) >= said + 2, DEADLINE_SECONDS)
        policy.say(control.gone_line(ip_address(VIP4)))
        await policy.hear("conflict", address=VIP4, mac="")


async def test_mere_use_of_an_address_is_no_claim(near: Cable, reflex: Running, wire: Wire) -> None:
    """A node in IPVS mode asks for its gateway with the VIP as its own address."""
    asked = Ether(src=STRANGER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=STRANGER_MAC, psrc=VIP4, pdst="10.10.0.1"
    )
    async with reflex.policy() as policy:
        policy.say_table(orders(VIP4, "near"))
        await policy.hear("announced", address=VIP4)
        near.send(asked)
        await wire.answers(VIP4, DEADLINE_SECONDS)  # frames are judged in their order
        assert not policy.said("conflict")


# -- keys, priority --------------------------------------------------------------------------------


async def test_keys_are_read_again(
    near: Cable, settings: Settings, reflex: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with reflex.policy() as policy:
        policy.say_table(peers={"far": FAR_PEER})
        await policy.hear("state", state="READY")
        settings.key_file.write_text("short")
        os.kill(os.getpid(), signal.SIGHUP)
        while "the keys stay as they were" not in caplog.text:
            await asyncio.sleep(0)
        settings.key_file.write_text(f"{KEYS}\n{NEW_KEYS}")
        os.kill(os.getpid(), signal.SIGHUP)
        peer = FarSpeaker(near, SLOW, [NEW_KEYS.encode(), KEYS.encode()])
        await policy.hear("peer", node="far", alive=True)
        peer.stop()


async def test_keys_that_were_replaced_are_read_unasked(
    near: Cable, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """As a kubelet replaces them: a link is renamed over another."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(process, "KEYS_SECONDS", 0.01)
    real = settings.key_file.rename(settings.key_file.with_name("old"))
    settings.key_file.symlink_to(real)
    reflex = Running(settings)
    async with reflex.policy() as policy:
        policy.say_table(peers={"far": FAR_PEER})
        await policy.hear("state", state="READY")
        replace(settings.key_file, "short")
        await until_said(caplog, "the keys stay as they were")
        replace(settings.key_file, f"{KEYS}\n{NEW_KEYS}")
        peer = FarSpeaker(near, SLOW, [NEW_KEYS.encode(), KEYS.encode()])
        await policy.hear("peer", node="far", alive=True)
        peer.stop()
    await reflex.end()
    assert caplog.text.count("the keys stay as they were") == 1
    assert caplog.text.count("heartbeat keys are read again") == 1


def replace(path: Path, text: str) -> None:
    """Put another file behind a link, as a kubelet does: at once."""
    fresh, draft = path.with_name(f"keys-{len(text)}"), path.with_name("draft")
    fresh.write_text(text)
    draft.symlink_to(fresh)
    draft.rename(path)


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while text not in caplog.text:
            await asyncio.sleep(0)


def test_a_priority_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        take_priority(0)
        assert os.sched_getscheduler(0) == before[0]
        take_priority(3)
        assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == (
            os.SCHED_FIFO,
            3,
        )
    finally:
        os.sched_setscheduler(0, *before)


def test_without_the_right_to_a_priority_it_works_on(caplog: pytest.LogCaptureFixture) -> None:
    take_priority(1000)
    assert "no real-time priority" in caplog.text
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
