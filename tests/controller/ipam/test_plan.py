"""What is written into an IPAM: by table, and after any sequence of faults it says what we hold."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.virtual_ips import Retained, VirtualIP, VirtualIPSpec
from metallb.net.ranges import parse_range
from metallb_controller.allocator.model import ForeignUse
from metallb_controller.ipam.model import Contents, Entry, Registered
from metallb_controller.ipam.plan import Conflict, Disagreement, Plan, entries, parted, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.net.addresses import IPAddress

WEB, API = ObjectKey("ns", "web"), ObjectKey("ns", "api")
ONE, TWO, SIX = (ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::1"))
META = Metadata(ObjectKey("", "vip"), "u", "1", 1, "2026-01-01T00:00:00Z", False)
ENTRY = Entry(ONE, "ns/web")


def _use(text: str, words: str = "router-1") -> ForeignUse:
    return ForeignUse(parse_range(text), words)


def _vip(address: IPAddress, *services: ObjectKey, kept: Retained | None = None) -> VirtualIP:
    return VirtualIP(META, VirtualIPSpec(address, "p", services, retained=kept))


@pytest.mark.parametrize(
    ("vip", "expected"),
    [
        pytest.param(_vip(ONE, WEB), Entry(ONE, "ns/web"), id="one"),
        pytest.param(_vip(ONE, WEB, API), Entry(ONE, "ns/web, ns/api", "a.example"), id="shared"),
        pytest.param(_vip(SIX, API), Entry(SIX, "ns/api", "a.example"), id="hostname"),
        pytest.param(_vip(ONE, kept=Retained((API,), 9)), Entry(ONE, "kept for ns/api"), id="kept"),
        pytest.param(_vip(ONE), Entry(ONE, ""), id="nobody"),
        pytest.param(_vip(ONE, ObjectKey("n" * 199, "a")), Entry(ONE, "n" * 199 + "…"), id="long"),
    ],
)
def test_what_the_ipam_is_to_say(vip: VirtualIP, expected: Entry) -> None:
    found = entries([vip], {API: "a.example", WEB: None})
    assert found == {expected.address: expected}


@pytest.mark.parametrize(
    ("wanted", "ours", "others", "expected"),
    [
        pytest.param((ENTRY,), (), (), Plan(register=(ENTRY,)), id="new"),
        pytest.param((ENTRY,), (Registered(1, ENTRY),), (), Plan(), id="right"),
        pytest.param(
            (ENTRY,), (Registered(1, Entry(ONE, "ns/old")),), (),
            Plan(change=((Registered(1, Entry(ONE, "ns/old")), ENTRY),)), id="other-words",
        ),
        pytest.param(
            (ENTRY,), (Registered(1, ENTRY, False),), (),
            Plan(change=((Registered(1, ENTRY, False), ENTRY),)), id="edited",
        ),
        pytest.param(
            (), (Registered(1, ENTRY),), (), Plan(release=(Registered(1, ENTRY),)), id="released"
        ),
        pytest.param(
            (ENTRY,), (Registered(5, ENTRY), Registered(3, ENTRY)), (),
            Plan(release=(Registered(5, ENTRY),)), id="twice",
        ),
        pytest.param(
            (ENTRY,), (), (_use("10.0.0.1"),),
            Plan(conflicts=(Conflict(ONE, Disagreement.USED_BY_OTHERS, "router-1"),)),
            id="used-by-others",
        ),
        pytest.param(
            (ENTRY,), (Registered(1, ENTRY),), (_use("10.0.0.0-10.0.0.9"),),
            Plan(conflicts=(Conflict(ONE, Disagreement.USED_BY_OTHERS, "router-1"),)),
            id="used-by-others-too",
        ),
        pytest.param(
            (ENTRY, Entry(SIX, "")), (), (_use("10.0.0.2"), _use("10.0.0.0")),
            Plan(register=(ENTRY, Entry(SIX, ""))), id="neighbours",
        ),
    ],
)  # fmt: skip
def test_what_is_written(
    wanted: Sequence[Entry],
    ours: tuple[Registered, ...],
    others: tuple[ForeignUse, ...],
    expected: Plan,
) -> None:
    assert plan({item.address: item for item in wanted}, Contents(ours, others)) == expected


def test_uses_that_overlap_are_parted() -> None:
    found = parted(
        [
            _use("10.0.0.5-10.0.0.9", "b"), _use("10.0.0.1-10.0.0.6", "a"), _use("10.0.0.2", "in"),
            _use("fd00::1", "y"), _use("fd00::1", "x"),
        ]
    )  # fmt: skip
    assert found == (
        _use("10.0.0.1-10.0.0.6", "a"), _use("10.0.0.7-10.0.0.9", "b"), _use("fd00::1", "x"),
    )  # fmt: skip


ADDRESSES = st.sampled_from([ip_address(f"10.0.0.{number}") for number in range(1, 6)])
LEDGERS = st.dictionaries(ADDRESSES, st.sampled_from(["ns/a", "ns/b", "ns/c"]), max_size=5)
STRANGERS = st.sets(ADDRESSES, max_size=2)


class Fate(StrEnum):
    """How a write ends."""

    DONE = "done"
    LOST = "the request is lost"
    UNHEARD = "done, and the answer is lost"


class Book:
    """An IPAM in which others write too, and with which requests and answers get lost."""

    def __init__(self) -> None:
        self.ours: dict[int, Registered] = {}
        self.others: set[IPAddress] = set()
        self._number = 0

    def contents(self) -> Contents:
        """Read all of it."""
        uses = parted(_use(str(address)) for address in self.others)
        return Contents(tuple(self.ours.values()), uses)

    def carry_out(self, found: Plan, fates: list[Fate]) -> None:
        """Carry out a plan, until the first write that is not known to be done."""
        writes: list[tuple[int | None, Entry | None]] = [
            *((item.id, None) for item in found.release),
            *((item.id, entry) for item, entry in found.change),
            *((None, entry) for entry in found.register),
        ]
        for number, entry in writes:
            fate = fates.pop(0) if fates else Fate.DONE
            if fate is not Fate.LOST:
                self._write(number, entry)
            if fate is not Fate.DONE:
                return

    def _write(self, number: int | None, entry: Entry | None) -> None:
        if number is None:
            self._number = number = self._number + 1
        if entry is None:
            del self.ours[number]
        else:
            assert entry.address not in self.others or number in self.ours
            self.ours[number] = Registered(number, entry)


@given(
    histories=st.lists(st.tuples(LEDGERS, STRANGERS), min_size=1, max_size=6),
    fates=st.lists(st.sampled_from(Fate), max_size=20),
)
def test_after_any_faults_the_ipam_says_what_the_ledger_says(
    histories: list[tuple[dict[IPAddress, str], set[IPAddress]]], fates: list[Fate]
) -> None:
    book = Book()
    wanted: dict[IPAddress, Entry] = {}
    for ledger, strangers in histories:
        wanted = {address: Entry(address, words) for address, words in ledger.items()}
        book.others = set(strangers)
        book.carry_out(plan(wanted, book.contents()), fates)
    while fates:
        book.carry_out(plan(wanted, book.contents()), fates)
        fates[:1] = []
    book.carry_out(plan(wanted, book.contents()), [])
    found = plan(wanted, book.contents())
    assert (found.release, found.change, found.register) == ((), (), ())
    said = {item.entry.address: item.entry for item in book.ours.values()}
    assert len(said) == len(book.ours)
    contested = book.others & wanted.keys()
    assert {item.address for item in found.conflicts} == contested
    assert said.items() <= wanted.items()
    assert wanted.keys() - said.keys() <= contested
    assert book.others == histories[-1][1]
