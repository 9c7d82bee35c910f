"""Policy: orders from the API server to reflex, reflex's reports into statuses and the roll."""

from __future__ import annotations

import asyncio
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.virtual_ips import Suspension
from metallb_lab.apiserver import Match
from metallb_lab.objects import VIRTUAL_IPS
from metallb_speaker import control
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.policy import process, reports, roll
from metallb_speaker.policy.reports import TRANSITIONS_KEPT, time_text
from support.apiclients import client_of
from support.peers import PlayedReflex
from support.policy import RunningPolicy
from support.waiting import until

if TYPE_CHECKING:
    from metallb.api.virtual_ips import VirtualIP
    from metallb_speaker.control import Line
    from metallb_speaker.settings import Settings
    from support.ledger import Ledger

VIP, OTHER = "192.168.2.100", "fd00::1"
AT = 1_795_000_000.25


def announced(address: str = VIP, at: float = AT, **rest: Any) -> Line:
    usual = {"reason": "NodeDown", "previous": "n2", "outage_seconds": 0.148}
    given = {**usual, **rest}
    return control.AnnouncedLine(ip_address(address), at, interfaces=("eth0",), **given).to_line()


def condition(vip: VirtualIP, kind: str) -> tuple[bool, str]:
    [found] = [item for item in vip.status.conditions if item.type == kind]
    return found.is_true, found.reason


# -- orders ----------------------------------------------------------------------------------------


async def test_a_whole_table_is_told_with_the_version_of_its_newest(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1", "n2")
    await ledger.make_vip(OTHER, "n2", "n1")
    await ledger.enter("n2", port=4300)
    line = await reflex.hear("vip", address=OTHER)
    assert (line["nodes"], line["interfaces"], line["suspended"]) == (["n2", "n1"], ["eth0"], False)
    assert line["version"] == int(ledger.vip(OTHER).meta.resource_version)
    await until(lambda: "n2" in reflex.told("peers")[-1]["peers"])


async def test_a_table_begins_with_the_peers_and_ends_with_a_word(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings
) -> None:
    await ledger.enter("n2", port=4300)
    await ledger.make_vip(VIP, "n1", "n2")
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)
        synced = await reflex.hear("synced")
        await running.end()
    words = [line["do"] for line in reflex.lines if line["do"] != "peers"]
    assert words[:3] == ["reset", "vip", "synced"]
    assert reflex.lines[0]["peers"]["n2"] == {"port": 4300, "links": []}
    assert synced["version"] == int(ledger.vip(VIP).meta.resource_version)


async def test_changes_of_orders_are_told_and_others_are_not(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1", "n2")
    first = await reflex.hear("vip", nodes=["n1", "n2"])
    await ledger.set_status(VIP, announcers=[{"node": "n2", "reason": "Preferred"}])
    await ledger.change_vip(VIP, "n2", "n1", suspended=Suspension.NO_READY_ENDPOINTS)
    second = await reflex.hear("vip", nodes=["n2", "n1"], suspended=True)
    assert second["version"] > first["version"]
    await ledger.remove_vip(VIP)
    await reflex.hear("gone", address=VIP)
    assert len(reflex.told("vip")) == 2


async def test_a_new_reflex_is_told_all_again(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, settings: Settings
) -> None:
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    await reflex.__aexit__()
    async with PlayedReflex(settings.control_socket) as other:
        await other.hear("synced")
        words = [line["do"] for line in other.lines]
        assert [word for word in words if word != "bfd"][:4] == ["peers", "reset", "vip", "synced"]


async def test_what_changes_beside_the_orders_is_seen_too(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    """Else one whose orders came with a status would wait for ever for others to be as far."""
    await ledger.make_vip(VIP, "n1", "n2")
    await reflex.hear("vip", address=VIP)
    await ledger.set_status(VIP, announcers=[])
    await reflex.hear("seen", version=int(ledger.vip(VIP).meta.resource_version))
    assert len(reflex.told("vip")) == 1


async def test_orders_that_an_answer_shows_are_ahead_of_what_is_seen(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await reflex.hear("synced")
    await ledger.make_vip(VIP, "n1", "n2")
    first = await reflex.hear("vip", address=VIP)
    assert first["seen"] == first["version"]
    stalled = ledger.server.faults.add("stall-watch", Match(user="alice"))
    await ledger.change_vip(VIP, "n2", "n1")
    reflex.say(announced())
    line = await reflex.hear("vip", address=VIP, nodes=["n2", "n1"])
    version = int(ledger.vip(VIP).meta.resource_version)
    assert (line["version"], line["seen"]) == (version, first["seen"])
    ledger.server.faults.remove(stalled)
    await reflex.hear("seen", version=version)


async def test_reflex_keeps_its_orders_while_the_api_server_is_away(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings
) -> None:
    """A policy that starts into an outage knows nothing, and says so by saying nothing."""
    await ledger.make_vip(VIP, "n1")
    fault = ledger.server.faults.add("partition-reset", Match(user="alice"))
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)
        await until(lambda: reflex.calls)
        assert running.policy.why_not_ready() == "the API server has not told everything yet"
        assert not reflex.told("reset")
        ledger.server.faults.remove(fault)
        await reflex.hear("synced")
        await running.end()


async def test_an_object_that_cannot_be_read_is_left_out(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"metadata": {"name": "10.0.0.9"}, "spec": {"address": VIP, "pool": "", "services": []}}
    await ledger.client.create(
        VIRTUAL_IPS, {"apiVersion": "network.deckhouse.io/v1alpha1", "kind": "VirtualIP", **body}
    )
    await ledger.make_vip(OTHER, "n1")
    await reflex.hear("vip", address=OTHER)
    assert not reflex.told("vip", address=VIP)
    assert "VirtualIP 10.0.0.9 is left out" in caplog.text


async def test_what_reflex_should_not_say_ends_the_call_and_a_new_one_follows(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await reflex.hear("synced")
    reflex.say({"do": "dance"})
    await until(lambda: reflex.calls == 2)


# -- statuses --------------------------------------------------------------------------------------


async def test_a_take_over_is_written_into_the_status(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n2", "n1")
    await reflex.hear("vip", address=VIP)
    reflex.say(announced())
    await until(lambda: ledger.announcer(VIP) == "n1")
    vip = ledger.vip(VIP)
    [announcer] = vip.status.announcers
    assert (announcer.since, announcer.reason) == (time_text(AT), "NodeDown")
    assert announcer.interfaces == ("eth0",)
    assert condition(vip, "Announced") == (True, "NodeDown")
    assert vip.status.transitions == (
        {
            "at": time_text(AT),
            "from": "n2",
            "to": "n1",
            "reason": "NodeDown",
            "outageMilliseconds": 148,
        },
    )


async def test_who_announced_before_is_read_from_the_status_when_reflex_does_not_know(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1", "n3")
    await ledger.set_status(VIP, announcers=[{"node": "n3", "reason": "Preferred"}])
    await reflex.hear("vip", address=VIP)
    await until(lambda: _status_seen(running, VIP) == "n3")
    reflex.say(announced(reason="Preferred", previous="", outage_seconds=None))
    await until(lambda: ledger.announcer(VIP) == "n1")
    [transition] = ledger.vip(VIP).status.transitions
    assert (transition["from"], transition["to"]) == ("n3", "n1")
    assert "outageMilliseconds" not in transition


def _status_seen(running: RunningPolicy, address: str) -> str:
    vip = running.policy.find_vip(ip_address(address))
    return vip.status.announcers[0].node if vip is not None and vip.status.announcers else ""


async def test_the_last_transitions_are_kept_the_newest_first(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1", "n2")
    await reflex.hear("vip", address=VIP)
    for number in range(TRANSITIONS_KEPT + 2):
        reflex.say(announced(at=AT + number))
        await until(partial(_is_since, ledger, time_text(AT + number)))
    times = [item["at"] for item in ledger.vip(VIP).status.transitions]
    last = AT + TRANSITIONS_KEPT + 1
    assert times == [time_text(last - number) for number in range(TRANSITIONS_KEPT)]


def _is_since(ledger: Ledger, since: str) -> bool:
    return [item.since for item in ledger.vip(VIP).status.announcers] == [since]


@pytest.mark.parametrize("reason", ["Suspended", "NoInterface", "Stopped"])
async def test_a_withdrawal_that_leaves_nobody_is_written(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, reason: str
) -> None:
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    reflex.say(announced())
    await until(lambda: ledger.announcer(VIP) == "n1")
    reflex.say(control.withdrawn_line(ip_address(VIP), reason))
    await until(lambda: ledger.announcer(VIP) == "")
    assert condition(ledger.vip(VIP), "Announced") == (False, reason)


async def test_one_whose_address_was_taken_over_has_nothing_to_add(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    for address in (VIP, OTHER):
        await ledger.make_vip(address, "n1")
        await reflex.hear("vip", address=address)
    reflex.say(announced())
    await until(lambda: ledger.announcer(VIP) == "n1")
    reflex.say(control.withdrawn_line(ip_address(VIP), "TakenOver"), announced(OTHER))
    await until(lambda: ledger.announcer(OTHER) == "n1")
    await running.policy.reports.written()
    assert ledger.announcer(VIP) == "n1"


async def test_a_late_withdrawal_does_not_undo_what_the_next_one_wrote(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    await ledger.set_status(VIP, announcers=[{"node": "n2", "reason": "Preferred"}])
    await until(lambda: _status_seen(running, VIP) == "n2")
    reflex.say(control.withdrawn_line(ip_address(VIP), "NoInterface"))
    await until(lambda: ledger.announcer(VIP) == "n2")
    await running.policy.reports.written()
    assert ledger.announcer(VIP) == "n2"


async def test_a_withdrawal_by_one_that_was_cut_off_does_not_undo_it_either(
    ledger: Ledger,
    reflex: PlayedReflex,
    running: RunningPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has not yet seen what the next one wrote while it was away."""
    monkeypatch.setattr(reports, "RETRY_SECONDS", 0.02)
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    reflex.say(announced())
    await until(lambda: _status_seen(running, VIP) == "n1")
    stall = ledger.server.faults.add("stall-watch", Match(user="alice"))
    await ledger.set_status(VIP, announcers=[{"node": "n2", "reason": "NodeDown"}])
    writes = ledger.server.faults.add("latency", Match(user="alice", verb="patch"))
    reflex.say(control.withdrawn_line(ip_address(VIP), "NoInterface"))
    await until(lambda: writes.used >= 2)  # refused, and tried again
    assert ledger.announcer(VIP) == "n2"
    ledger.server.faults.remove(stall)
    await until(lambda: _status_seen(running, VIP) == "n2")
    await running.policy.reports.written()
    assert ledger.announcer(VIP) == "n2"


async def test_a_conflict_is_a_condition_until_it_is_over(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    address = ip_address(VIP)
    reflex.say(announced(), control.conflict_line(address, "02:00:00:00:00:99", "eth0"))
    await until(lambda: _kinds(ledger) == ["Announced", "Conflict"])
    [found] = [item for item in ledger.vip(VIP).status.conditions if item.type == "Conflict"]
    assert found.is_true
    assert found.message == "station 02:00:00:00:00:99 on eth0 claims the address too"
    reflex.say(control.conflict_line(address, "", ""))
    await until(lambda: _kinds(ledger) == ["Announced"])


def _kinds(ledger: Ledger) -> list[str]:
    return sorted(item.type for item in ledger.vip(VIP).status.conditions)


async def test_statuses_that_say_other_than_reflex_are_put_right(
    ledger: Ledger,
    reflex: PlayedReflex,
    running: RunningPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the audit: something wrote over them, or nobody was there to be told of an end."""
    await ledger.make_vip(VIP, "n1")
    await ledger.make_vip(OTHER, "n1")
    for address in (VIP, OTHER):
        await reflex.hear("vip", address=address)
    reflex.say(announced())
    await until(lambda: ledger.announcer(VIP) == "n1")
    await ledger.set_status(VIP, announcers=[{"node": "n3", "reason": "Preferred"}])
    await ledger.set_status(OTHER, announcers=[{"node": "n1", "reason": "Preferred"}])
    await until(lambda: (_status_seen(running, VIP), _status_seen(running, OTHER)) == ("n3", "n1"))
    running.policy.audit()
    await until(lambda: (ledger.announcer(VIP), ledger.announcer(OTHER)) == ("n1", ""))
    assert condition(ledger.vip(OTHER), "Announced") == (False, "NotAnnounced")


async def test_the_audit_comes_again_and_again(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "AUDIT_SECONDS", 0.02)
    await ledger.make_vip(VIP, "n1")
    await ledger.set_status(VIP, announcers=[{"node": "n1", "reason": "Preferred"}])
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)
        await until(lambda: ledger.announcer(VIP) == "")
        await ledger.set_status(VIP, announcers=[{"node": "n1", "reason": "Preferred"}])
        await until(lambda: ledger.announcer(VIP) == "")
        await running.end()


async def test_a_report_waits_for_the_api_server_to_return(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n2", "n1")
    await reflex.hear("vip", address=VIP)
    fault = ledger.server.faults.add("partition-reset", Match(user="alice"))
    reflex.say(announced())
    await until(lambda: running.policy.reports.failures)
    assert ledger.announcer(VIP) == ""
    reflex.say(announced(at=AT + 1))
    ledger.server.faults.remove(fault)
    await until(lambda: ledger.announcer(VIP) == "n1")
    await until(partial(_is_since, ledger, time_text(AT + 1)))


async def test_a_policy_that_was_started_anew_writes_what_is_announced_as_it_was(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings
) -> None:
    await ledger.make_vip(VIP, "n1")
    reflex.announced = [announced()]
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)
        await until(lambda: ledger.announcer(VIP) == "n1")
        before = ledger.vip(VIP).meta.resource_version
        await running.end()
        running = RunningPolicy(settings, client)
        await until(lambda: reflex.calls == 2 and running.policy.why_not_ready() is None)
        running.policy.audit()
        await running.policy.reports.written()
        await running.end()
    assert ledger.vip(VIP).meta.resource_version == before


# -- the roll --------------------------------------------------------------------------------------


async def test_our_entry_is_held_while_we_are_ready_and_goes_with_our_node(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await until(lambda: ledger.holder("n1"))
    entry, lease = ledger.entry("n1"), ledger.lease("n1")
    assert entry is not None
    assert lease is not None
    assert entry.holder.startswith("n1_")
    assert [(link.interface, [str(item) for item in link.addresses]) for link in entry.links] == [
        ("eth0", ["10.10.0.11"])
    ]
    assert [owner["kind"] for owner in lease["metadata"]["ownerReferences"]] == ["Node"]
    reflex.say(control.state_line("JOINING"))
    await until(lambda: ledger.holder("n1") == "")
    reflex.say(control.state_line("READY"), control.links_line([]))
    await until(lambda: ledger.holder("n1") == entry.holder)
    await until(lambda: _links(ledger) == ())
    lease = ledger.lease("n1")
    assert lease is not None
    assert lease["metadata"]["ownerReferences"]


def _links(ledger: Ledger) -> tuple[Any, ...]:
    entry = ledger.entry("n1")
    assert entry is not None
    return entry.links


async def test_an_entry_that_others_empty_or_strike_out_is_made_again(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await until(lambda: ledger.holder("n1"))
    await ledger.strike("n1")
    await until(lambda: ledger.holder("n1"))


async def test_without_reflex_we_do_not_say_that_we_are_there(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, settings: Settings
) -> None:
    await until(lambda: ledger.holder("n1"))
    await reflex.__aexit__()
    await until(lambda: running.policy.why_not_ready() == "the reflex process is not there")
    looks = ledger.server.faults.add("latency", Match(user="alice", verb="get"))
    writes = ledger.server.faults.add("latency", Match(user="alice", verb="patch"))
    await ledger.change_entry("n1", holderIdentity=None)  # as a peer does that finds us dead
    await until(lambda: looks.used >= 1)
    await ledger.change_entry("n1", leaseDurationSeconds=7)
    await until(lambda: looks.used >= 2)  # what follows from the first look is done by now
    assert (ledger.holder("n1"), writes.used) == ("", 0)
    async with PlayedReflex(settings.control_socket):
        await until(lambda: ledger.holder("n1"))


async def test_an_entry_is_renewed(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll, "RENEW_SECONDS", 0.02)
    async with client_of(ledger.server, "alice") as client:
        running = RunningPolicy(settings, client)
        await until(lambda: ledger.holder("n1"))
        first = ledger.lease("n1")
        assert first is not None
        await until(lambda: ledger.lease("n1") != first)
        await running.end()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "RANK_SECONDS", 0.02)
    monkeypatch.setattr(roll, "RETRY_SECONDS", 0.02)


async def _three_ready(ledger: Ledger, reflex: PlayedReflex) -> None:
    await ledger.enter("n2")
    await ledger.enter("n3")
    await until(lambda: {"n2", "n3"} <= set(reflex.told("peers")[-1]["peers"]))
    for node in ("n2", "n3"):
        reflex.say(control.peer_line(node, True, ""))


async def test_a_dead_peer_is_struck_from_the_roll(
    quick: None, ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await reflex.hear("synced")
    await _three_ready(ledger, reflex)
    reflex.say(control.peer_line("n2", False, "Silent"))
    await until(lambda: ledger.holder("n2") == "")
    assert ledger.holder("n3") == "somebody"


@pytest.mark.parametrize("reason", ["Restarted", "Unreachable", "Forgotten"])
async def test_one_that_is_merely_out_of_reach_is_not(
    quick: None, ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, reason: str
) -> None:
    await reflex.hear("synced")
    await _three_ready(ledger, reflex)
    reflex.say(control.peer_line("n2", False, reason))
    reflex.say(control.peer_line("n3", False, "Silent"))
    await until(lambda: running.policy.deaths.pending() == {"n3"})
    assert ledger.holder("n2") == "somebody"


async def test_one_that_has_lost_most_others_accuses_nobody_until_it_finds_them_again(
    quick: None, ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await reflex.hear("synced")
    await _three_ready(ledger, reflex)
    for node in ("n2", "n3"):
        reflex.say(control.peer_line(node, False, "Silent"))
    await until(lambda: running.policy.deaths.pending() == {"n2", "n3"})
    assert (ledger.holder("n2"), ledger.holder("n3")) == ("somebody", "somebody")
    reflex.say(control.peer_line("n3", True, ""))
    await until(lambda: ledger.holder("n2") == "")
    await until(lambda: running.policy.deaths.pending() == set())
    assert ledger.holder("n3") == "somebody"


async def test_a_death_waits_for_the_api_server_to_return(
    quick: None, ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await reflex.hear("synced")
    await _three_ready(ledger, reflex)
    fault = ledger.server.faults.add("status", Match(user="alice", verb="patch"), code=500)
    reflex.say(control.peer_line("n2", False, "Silent"))
    await until(lambda: fault.used, "a refused write")
    ledger.server.faults.remove(fault)
    await until(lambda: ledger.holder("n2") == "")


# -- the end, readiness, metrics -------------------------------------------------------------------


@pytest.mark.parametrize("states", [[control.state_line("LEAVING")], []], ids=["said", "unsaid"])
async def test_the_end_is_written_down(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy, states: list[Line]
) -> None:
    await ledger.make_vip(VIP, "n1")
    await reflex.hear("vip", address=VIP)
    reflex.say(announced())
    await until(lambda: ledger.announcer(VIP) == "n1" and ledger.holder("n1"))
    slow = ledger.server.faults.add("latency", Match(user="alice", verb="get"), seconds=0.05)
    ending = asyncio.create_task(running.policy.release())
    await until(lambda: slow.used)  # our entry is being read as reflex goes
    reflex.say(*states, control.withdrawn_line(ip_address(VIP), "Stopped"))
    await reflex.__aexit__()
    await ending
    assert (ledger.holder("n1"), ledger.announcer(VIP)) == ("", "")


async def test_the_end_is_said_again_when_another_write_came_between(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await until(lambda: ledger.holder("n1"))
    await reflex.__aexit__()
    await until(lambda: running.policy.why_not_ready() == "the reflex process is not there")
    refused = ledger.server.faults.add(
        "status", Match(user="alice", verb="patch"), code=409, count=1
    )
    await running.policy.release()
    assert (ledger.holder("n1"), refused.used) == ("", 1)


async def test_bfd_ends_after_bgp(
    reflex: PlayedReflex, running: RunningPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reflex.hear("synced")
    running.policy.bfd.order({"router": BFDConfig(Endpoint(ip_address("10.9.0.1")))})
    await reflex.hear("bfd")
    told_when_bgp_ended: list[Line] = []

    async def close() -> None:
        told_when_bgp_ended.extend(reflex.told("bfd"))

    monkeypatch.setattr(running.policy.bgp, "close", close)
    ending = asyncio.create_task(running.policy.release())
    await reflex.hear("bfd", sessions=[])
    assert told_when_bgp_ended[-1]["sessions"]
    await reflex.__aexit__()
    await ending


async def test_the_end_does_not_wait_for_ever(
    ledger: Ledger,
    reflex: PlayedReflex,
    running: RunningPolicy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(process, "RELEASE_SECONDS", 0.05)
    await reflex.hear("synced")
    await running.policy.release()  # reflex is still there
    assert "not all was released in time" in caplog.text


async def test_it_is_ready_when_all_is_told_and_reflex_is(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    def reason() -> str | None:
        return running.policy.why_not_ready()

    assert reason() == "the API server has not told everything yet"
    await until(lambda: reason() is None)
    reflex.say(control.state_line("JOINING"))
    await until(lambda: reason() == "this node is JOINING")
    await reflex.__aexit__()
    await until(lambda: reason() == "the reflex process is not there")
