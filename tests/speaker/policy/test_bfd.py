"""BFD as policy sees it: what reflex is told, and what BGP is told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb_speaker import control
from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.iana import AuthenticationType, Diagnostic, State
from metallb_speaker.control import BFDStateLine
from metallb_speaker.policy.bfd import BFDSessions

if TYPE_CHECKING:
    from metallb_speaker.control import Line

ROUTER = Endpoint(ip_address("10.9.0.1"))
OTHER = Endpoint(ip_address("fd09::1"), ip_address("fd09::2"), "eth0", "red", True)
EXPIRED = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
NEIGHBOR = Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
KEYS = (AuthenticationKey(1, b"\0key"), AuthenticationKey(2, b"other"))


def state(
    found: State,
    diagnostic: Diagnostic = Diagnostic.NO_DIAGNOSTIC,
    remote: State = State.UP,
    endpoint: Endpoint = ROUTER,
) -> Line:
    line = BFDStateLine(endpoint, found, diagnostic, remote, 5.0, 50_000, 150_000).to_line()
    return control.decode(control.encode(line))


class Scene:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.changes: list[tuple[str, bool]] = []
        self.sessions = BFDSessions(self.lines.append, self.changed)

    def changed(self, name: str, *, is_up: bool) -> None:
        self.changes.append((name, is_up))

    def orders(self) -> list[list[BFDConfig]]:
        found = [control.bfd_of(control.decode(control.encode(line))) for line in self.lines]
        self.lines.clear()
        return found

    def metrics(self) -> dict[str, dict[str, float]]:
        return {
            family.name: {sample.labels["peer"]: sample.value for sample in family.samples}
            for family in self.sessions.metrics()
        }


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.sessions.order({"router": BFDConfig(ROUTER)})
    made.orders()
    return made


@pytest.mark.parametrize(
    "config",
    [
        BFDConfig(ROUTER),
        BFDConfig(OTHER, 1, 2, 3, is_echo=True, echo_us=4, is_passive=True, minimum_ttl=5),
        BFDConfig(ROUTER, authentication=Authentication(AuthenticationType.KEYED_SHA1, KEYS)),
    ],
)
def test_reflex_is_told_all_of_a_session(config: BFDConfig) -> None:
    made = Scene()
    made.sessions.order({"router": config})
    assert made.orders() == [[config]]


def test_reflex_is_told_when_something_is_other(scene: Scene) -> None:
    scene.sessions.order({"router": BFDConfig(ROUTER)})
    assert scene.orders() == []
    scene.sessions.order({"router": BFDConfig(ROUTER, 10), "other": BFDConfig(OTHER)})
    assert scene.orders() == [[BFDConfig(OTHER), BFDConfig(ROUTER, 10)]]
    scene.sessions.order({})
    assert scene.orders() == [[]]


def test_nothing_is_ordered_before_it_is_known_what() -> None:
    made = Scene()
    made.sessions.reflex_connected()
    assert made.lines == []
    made.sessions.order({})
    assert made.orders() == [[]]
    made.sessions.reflex_connected()
    assert made.orders() == [[]]


def test_peers_with_one_endpoint_share_a_session() -> None:
    made = Scene()
    made.sessions.order({"b": BFDConfig(ROUTER, 20), "a": BFDConfig(ROUTER, 10)})
    assert made.orders() == [[BFDConfig(ROUTER, 10)]]
    made.sessions.take(state(State.UP))
    assert made.changes == [("a", True), ("b", True)]


def test_up_and_failure_are_told_once(scene: Scene) -> None:
    for line in (state(State.DOWN), state(State.INIT), state(State.UP), state(State.UP)):
        scene.sessions.take(line)
    assert scene.changes == [("router", True)]
    scene.sessions.take(state(State.DOWN, EXPIRED, State.DOWN))
    scene.sessions.take(state(State.INIT, remote=State.DOWN))
    scene.sessions.take(state(State.DOWN, EXPIRED, State.DOWN))
    assert scene.changes == [("router", True), ("router", False)]


def test_a_peer_that_was_shut_down_has_not_failed(scene: Scene) -> None:
    scene.sessions.take(state(State.UP))
    scene.sessions.take(state(State.DOWN, NEIGHBOR, State.ADMIN_DOWN))
    scene.sessions.take(state(State.INIT, remote=State.DOWN))
    scene.sessions.take(state(State.UP))
    assert scene.changes == [("router", True), ("router", True)]


def test_a_new_reflex_is_no_failure_of_peers(scene: Scene) -> None:
    scene.sessions.take(state(State.UP))
    scene.sessions.reflex_connected()
    assert scene.sessions.status("router") is None
    assert scene.orders() == [[BFDConfig(ROUTER)]]
    for line in (state(State.DOWN), state(State.INIT), state(State.UP)):
        scene.sessions.take(line)
    assert scene.changes == [("router", True)]
    scene.sessions.take(state(State.DOWN, EXPIRED, State.DOWN))
    assert scene.changes[1:] == [("router", False)]


def test_a_new_policy_hears_of_sessions_before_it_orders_them() -> None:
    made = Scene()
    made.sessions.take(state(State.UP))
    assert made.changes == []
    made.sessions.order({"router": BFDConfig(ROUTER)})
    assert made.changes == [("router", True)]


def test_another_endpoint_is_another_session(scene: Scene) -> None:
    scene.sessions.take(state(State.UP))
    scene.sessions.order({"router": BFDConfig(OTHER)})
    scene.sessions.take(state(State.UP, endpoint=OTHER))
    assert scene.changes == [("router", True), ("router", True)]


def test_the_status_is_what_was_told_last(scene: Scene) -> None:
    assert scene.sessions.status("router") is None
    assert scene.sessions.status("nobody") is None
    scene.sessions.take(state(State.UP))
    found = scene.sessions.status("router")
    assert found is not None
    assert replace(found, at=0.0) == BFDStateLine(
        ROUTER, State.UP, Diagnostic.NO_DIAGNOSTIC, State.UP, 0.0, 50_000, 150_000
    )


def counted(*numbers: int, endpoint: Endpoint = ROUTER) -> dict[str, Any]:
    line = {"bfd": [[[str(endpoint.peer_address), None, "", "", False], list(numbers)]]}
    return {"do": "counters", **line}


def test_metrics_are_those_of_metallb(scene: Scene) -> None:
    scene.sessions.take(state(State.DOWN))
    scene.sessions.take(state(State.UP))
    for _ in range(2):
        scene.sessions.add_counts(counted(1, 2, 3, 4, 5, 6))
    peer = str(ROUTER.peer_address)
    assert scene.metrics() == {
        "metallb_bfd_session_up": {peer: 1},
        "metallb_bfd_control_packet_input": {peer: 2},
        "metallb_bfd_control_packet_output": {peer: 4},
        "metallb_bfd_echo_packet_input": {peer: 6},
        "metallb_bfd_echo_packet_output": {peer: 8},
        "metallb_bfd_session_up_events": {peer: 10},
        "metallb_bfd_session_down_events": {peer: 12},
        "metallb_bfd_zebra_notifications": {peer: 1},
    }


def test_series_go_with_their_session(scene: Scene) -> None:
    scene.sessions.take(state(State.UP))
    scene.sessions.add_counts(counted(1, 2, 3, 4, 5, 6))
    scene.sessions.order({})
    scene.sessions.add_counts(counted(1, 2, 3, 4, 5, 6))
    assert all(not series for series in scene.metrics().values())
    scene.sessions.order({"router": BFDConfig(ROUTER)})
    assert all(set(series.values()) == {0} for series in scene.metrics().values())
