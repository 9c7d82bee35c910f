"""Settings of a session: what is refused, and what a running one can take over."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from metallb_speaker.bgp.config import DynamicAsn, needs_reset
from metallb_speaker.bgp.iana import Role
from support.bgp_pair import ours

GOOD: list[dict[str, Any]] = [
    {},
    {"peer_asn": DynamicAsn.INTERNAL},
    {"peer_asn": 4_294_967_295, "local_asn": 1},
    {"hold_seconds": 0, "keepalive_seconds": 0},
    {"hold_seconds": 3, "keepalive_seconds": 3},
    {"graceful_restart_seconds": None},
    {"graceful_restart_seconds": 4095, "long_lived_seconds": 16_777_215},
]
BAD: dict[str, dict[str, Any]] = {
    "myASN 0": {"my_asn": 0},
    "peerASN 0": {"peer_asn": 0},
    "peerASN 4294967296": {"peer_asn": 2**32},
    "localASN 0": {"local_asn": 0},
    "routerID 0": {"router_id": 0},
    "holdTime 65536": {"hold_seconds": 65536},
    "holdTime 2": {"hold_seconds": 2},
    "keepaliveTime 91": {"keepalive_seconds": 91},
    "connectTime 0": {"connect_seconds": 0},
    "restart time 4096": {"graceful_restart_seconds": 4096},
    "stale time 16777216": {"long_lived_seconds": 2**24},
    "address family": {"families": frozenset()},
}


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_good_settings(changes: dict[str, Any]) -> None:
    assert ours(**changes).check() is None


@pytest.mark.parametrize("says", BAD)
def test_bad_settings_are_refused_in_words(says: str) -> None:
    problem = ours(**BAD[says]).check()
    assert problem is not None
    assert says in problem


def test_what_is_in_no_open_does_not_end_a_session() -> None:
    after = ours(
        connect_seconds=10.0,
        keepalive_seconds=5,
        send_hold_seconds=60.0,
        next_hop_ipv4=IPv4Address("192.0.2.7"),
    )
    assert needs_reset(ours(), after) == ()


def test_what_is_in_the_open_does() -> None:
    after = ours(hold_seconds=30, role=Role.PEER, local_asn=65000)
    assert needs_reset(ours(), after) == ("local_asn", "hold_seconds", "role")
