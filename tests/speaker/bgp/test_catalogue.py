"""The case catalogue, driven by our own driver: a fresh session for each case."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from meta.tree import ROOT
from metallb_speaker.bgp.attribute_rules import Approach
from metallb_speaker.bgp.config import SessionConfig
from metallb_speaker.bgp.events import Down, Malformed
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.messages import KEEPALIVE, Keepalive, MessageReader, Notification
from support.bgp_pair import ENDS, session
from vectors.bgp.catalogue import (
    CAPABILITIES,
    CATALOGUE,
    CLASSES,
    INTERNAL_CAPABILITIES,
    Case,
    Elsewhere,
    Outcome,
    Phase,
    Verdict,
    opened,
    table,
)

if TYPE_CHECKING:
    from metallb_speaker.bgp.session import Session

CASES = {name: case for name, case in CATALOGUE.items() if isinstance(case, Case)}
STATES = {
    Phase.OPEN_SENT: State.OPEN_SENT,
    Phase.OPEN_CONFIRM: State.OPEN_CONFIRM,
    Phase.ESTABLISHED: State.ESTABLISHED,
}
OUR_ID = 0xC0000201


class Driver:
    """A peer that says a case to a session of its own, and sees what comes of it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        peer_asn = 65001 if case.is_internal else 65010
        self.session: Session = session(SessionConfig("peer", 65001, peer_asn, OUR_ID))
        self.now = 0.0
        self.said: list[object] = []
        self._reader = MessageReader()
        self._approaches: set[Approach] = set()
        self._is_down = False

    def run(self) -> Verdict:
        """Say the case; gives the verdict."""
        self.session.start(self.now)
        self.session.connection_made(ENDS, self.now, is_dialled=True)
        self._come_to(self.case.phase)
        assert self.session.state is STATES[self.case.phase]
        self._say(self.case.octets)
        self._be_silent(self.now + self.case.silent_seconds)
        return self._verdict()

    def _come_to(self, phase: Phase) -> None:
        case = self.case
        usual = INTERNAL_CAPABILITIES if case.is_internal else CAPABILITIES
        asn = 65001 if case.is_internal else 65010
        if phase is not Phase.OPEN_SENT:
            self._say(opened(usual if case.capabilities is None else case.capabilities, asn=asn))
        if phase is Phase.ESTABLISHED:
            self._say(KEEPALIVE)

    def _say(self, octets: bytes) -> None:
        self.session.receive_data(octets, self.now)
        self._listen()

    def _be_silent(self, until: float) -> None:
        while not self._is_down and (at := self.session.get_timer()) is not None and at <= until:
            self.now = at
            self.session.handle_timer(at)
            self._listen()

    def _listen(self) -> None:
        while data := self.session.data_to_send():
            self._reader.feed(data)
        while (message := self._reader.next_message()) is not None:
            self.said.append(message)
        while (event := self.session.next_event()) is not None:
            self._is_down |= isinstance(event, Down)
            if isinstance(event, Malformed):
                self._approaches |= {problem.approach for problem in event.problems}

    def _verdict(self) -> Verdict:
        for message in self.said:
            if isinstance(message, Notification):
                assert self._is_down
                return message.code, message.subcode
        if self._is_down:
            return Outcome.CLOSED
        if Approach.TREAT_AS_WITHDRAW in self._approaches:
            return Outcome.WITHDRAW
        return Outcome.DISCARD if self._approaches else Outcome.TAKEN


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_rfcs(name: str) -> None:
    assert Driver(CASES[name]).run() == CASES[name].verdict


def test_without_a_hold_time_no_keepalive_is_sent_but_the_first() -> None:
    """TIM-003; RFC 4271 §4.4: "periodic KEEPALIVE messages MUST NOT be sent"."""
    driver = Driver(CASES["TIM-003"])
    driver.run()
    assert driver.said.count(Keepalive()) == 1


COUNTS = {
    "AGG": 8, "ATTR": 15, "COL": 4, "DC": 5, "DEC": 18, "ERR": 5, "EXT": 5, "FSM": 15, "GR": 5,
    "KA": 6, "MH": 14, "MP": 8, "NOT": 6, "OP": 20, "ORF": 5, "RR": 5, "SEC": 32, "TIM": 10,
    "UP": 30, "VN": 6,
}  # fmt: skip
"""How many cases the framework has of each class."""


def test_every_case_of_the_framework_is_here() -> None:
    assert Counter(name.split("-")[0] for name in CATALOGUE) == COUNTS
    assert sum(COUNTS.values()) == 222
    assert len(CASES) >= 170
    assert set(CLASSES) == set(COUNTS)


def test_every_reason_is_used() -> None:
    assert {case for case in CATALOGUE.values() if isinstance(case, Elsewhere)} == set(Elsewhere)


def test_the_documents_have_this_table() -> None:
    document = (ROOT / "docs/internal/RFC.md").read_text()
    assert "\n".join(table()) in document
