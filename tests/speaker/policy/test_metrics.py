"""Metrics of a speaker: reflex's counts added up, and what happens counted once."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from prometheus_client import generate_latest

from metallb_lab.apiserver import Match
from metallb_speaker import control
from support.waiting import until

if TYPE_CHECKING:
    from metallb_speaker.control import Line
    from support.ledger import Ledger
    from support.peers import PlayedReflex
    from support.policy import RunningPolicy

VIP, OTHER = "192.168.2.100", "fd00::1"
NO_TIMERS = [0] * (len(control.LATENESS_BOUNDS_SECONDS) + 1)


def announced(reason: str = "Preferred", previous: str = "", outage: float | None = None) -> Line:
    line = control.AnnouncedLine(ip_address(VIP), 1.0, reason, previous, outage, ("eth0",))
    return line.to_line()


def played_counters(addresses: dict[str, list[int]], **given: Any) -> Line:
    nothing: dict[str, Any] = {
        "lost": {}, "dropped_frames": {}, "dropped_heartbeats": {}, "heartbeats": {},
        "late_timers": NO_TIMERS, "late_seconds": 0.0, "dropped_bfd": {}, "bfd": [],
    }  # fmt: skip
    return control.counters_line(addresses=addresses, **{**nothing, **given})


def exposed(running: RunningPolicy) -> set[str]:
    text = generate_latest(running.policy.metrics.registry).decode()
    return {line for line in text.splitlines() if line.startswith("metallb_")}


async def test_metrics_have_the_names_that_dashboards_know(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1")
    await ledger.enter("n2")
    await reflex.hear("vip", address=VIP)
    await until(lambda: "n2" in reflex.told("peers")[-1]["peers"])
    counters = played_counters(
        {VIP: [7, 6, 12], OTHER: [1, 1, 1]},
        lost={"frames": 1},
        dropped_frames={"NotOwned": 2},
        dropped_heartbeats={"Replayed": 3},
        dropped_bfd={"TTL": 4},
        heartbeats={"sent": 5},
        late_timers=[8, 0, 1, *[0] * 8],
        late_seconds=0.25,
    )
    reflex.say(control.state_line("READY"), announced(), counters, counters)
    reflex.say(
        control.peer_line("n2", True, ""), control.conflict_line(ip_address(VIP), "02::1", "")
    )
    labels = f'ip="{VIP}",node="n1",protocol="layer2",service="web/nginx"'
    late = "metallb_speaker_timer_lateness_seconds"
    wanted = {
        f"metallb_speaker_announced{{{labels}}} 1.0",
        f'metallb_layer2_requests_received{{ip="{VIP}"}} 14.0',
        f'metallb_layer2_responses_sent{{ip="{VIP}"}} 12.0',
        f'metallb_layer2_gratuitous_sent{{ip="{VIP}"}} 24.0',
        'metallb_speaker_sends_lost_total{kind="frames"} 2.0',
        'metallb_layer2_frames_dropped_total{reason="NotOwned"} 4.0',
        'metallb_speaker_heartbeats_dropped_total{reason="Replayed"} 6.0',
        'metallb_speaker_heartbeats_total{direction="sent"} 10.0',
        'metallb_speaker_peer_alive{peer="n2"} 1.0',
        'metallb_speaker_state{state="READY"} 1.0',
        'metallb_speaker_state{state="STARTING"} 0.0',
        f'metallb_speaker_address_conflict{{ip="{VIP}"}} 1.0',
        f'{late}_bucket{{le="0.0005"}} 16.0',
        f'{late}_bucket{{le="0.001"}} 16.0',
        f'{late}_bucket{{le="0.0025"}} 18.0',
        f'{late}_bucket{{le="+Inf"}} 18.0',
        f"{late}_sum 0.5",
        "metallb_speaker_reflex_connections_total 1.0",
        "metallb_k8s_client_update_errors_total 0.0",
        "metallb_k8s_client_config_loaded_bool 1.0",
        "metallb_k8s_client_config_stale_bool 0.0",
        "metallb_speaker_status_writes_failed_total 0.0",
    }
    await until(lambda: wanted <= exposed(running), "metrics")
    [handled] = [line for line in exposed(running) if "client_updates_total" in line]
    assert float(handled.split()[1]) > 0


async def test_what_happens_is_counted_and_what_is_told_anew_is_not(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1")
    await ledger.enter("n2")
    await until(lambda: reflex.told("peers") and "n2" in reflex.told("peers")[-1]["peers"])
    await reflex.__aexit__()
    reflex.announced = [announced()]
    await reflex.__aenter__()
    await until(lambda: reflex.calls == 2)
    reflex.say(announced("NodeDown", "n2", 0.12))
    reflex.say(announced("NodeDown", "n1"))  # only its interfaces are others
    reflex.say(control.peer_line("n2", True, ""), control.peer_line("n2", False, "Silent"))
    reflex.say(control.withdrawn_line(ip_address(VIP), "TakenOver"))
    wanted = {
        'metallb_speaker_announcements_total{reason="NodeDown"} 1.0',
        'metallb_speaker_withdrawals_total{reason="TakenOver"} 1.0',
        'metallb_speaker_peers_lost_total{reason="Silent"} 1.0',
        'metallb_speaker_outage_seconds_bucket{le="0.1"} 0.0',
        'metallb_speaker_outage_seconds_bucket{le="0.15"} 1.0',
    }
    await until(lambda: wanted <= exposed(running), "metrics")
    assert 'metallb_speaker_announcements_total{reason="Preferred"} 0.0' in exposed(running)
    assert not [line for line in exposed(running) if 'reason=""' in line]


async def test_it_says_when_it_does_not_follow_the_api_server(
    ledger: Ledger, running: RunningPolicy
) -> None:
    assert "metallb_k8s_client_config_loaded_bool 0.0" in exposed(running)
    stale = "metallb_k8s_client_config_stale_bool"
    await until(lambda: f"{stale} 0.0" in exposed(running))
    await until(lambda: ledger.server.watches)
    ledger.server.faults.add("status", Match(user="alice"), code=503)
    ledger.server.faults.add("drop-watch", Match(user="alice"), count=2)
    await until(lambda: f"{stale} 1.0" in exposed(running))


async def test_series_go_with_what_they_are_about(
    ledger: Ledger, reflex: PlayedReflex, running: RunningPolicy
) -> None:
    await ledger.make_vip(VIP, "n1")
    await ledger.enter("n2")
    await until(lambda: reflex.told("peers") and "n2" in reflex.told("peers")[-1]["peers"])
    reflex.say(played_counters({VIP: [1, 1, 1]}))
    reflex.say(control.peer_line("n2", True, ""), control.peer_line("stranger", True, ""))

    def about(pattern: str) -> list[str]:
        return [line for line in exposed(running) if re.search(pattern, line)]

    await until(lambda: about(VIP) and about('peer="n2"} 1'))
    assert not about("stranger")
    await ledger.remove_vip(VIP)
    await ledger.strike("n2")
    await until(lambda: not about(VIP) and not about("n2"))
