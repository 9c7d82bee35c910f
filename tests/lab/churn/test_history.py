"""The judge of a cluster's history: each rule is broken once, and seen."""

from __future__ import annotations

import itertools
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.services import read_service
from metallb.api.virtual_ips import (
    VirtualIP,
    VirtualIPSpec,
    new_virtual_ip,
    read_virtual_ip,
    to_object,
)
from metallb.net.addresses import object_name
from metallb_lab.churn.history import (
    KEPT_SECONDS,
    LATELY_SECONDS,
    SERVICE,
    VIRTUAL_IP,
    Change,
    History,
    Sequence,
)
from support.objects import service_object

if TYPE_CHECKING:
    from metallb.api.services import Service

A, B = ObjectKey("default", "a"), ObjectKey("default", "b")
ADDRESS = "10.0.0.1"
HTTP, HTTPS = (("TCP", 80),), (("TCP", 443),)


def service(name: str, *shown: str, **rest: Any) -> Service:
    return read_service(service_object(name, ingress=shown, **rest))


def entry(address: str, *holders: ObjectKey) -> VirtualIP:
    value = to_object(new_virtual_ip(VirtualIPSpec(ip_address(address), "p", holders)))
    value["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    found = read_virtual_ip(value)
    assert isinstance(found, VirtualIP)
    return found


class Tale:
    """A history told change by change."""

    def __init__(self, *steady: ObjectKey) -> None:
        self.history = History(frozenset(steady))
        self.now = 0.0
        self._versions = itertools.count(1)

    def service(self, name: str, *shown: str, **rest: Any) -> None:
        self._tell(SERVICE, ObjectKey("default", name), service(name, *shown, **rest))

    def gone(self, name: str) -> None:
        self._tell(SERVICE, ObjectKey("default", name), None)

    def entry(self, *holders: ObjectKey, address: str = ADDRESS) -> None:
        key = ObjectKey("", object_name(ip_address(address)))
        self._tell(VIRTUAL_IP, key, entry(address, *holders))

    def struck(self, address: str = ADDRESS) -> None:
        self._tell(VIRTUAL_IP, ObjectKey("", object_name(ip_address(address))), None)

    def _tell(self, kind: str, key: ObjectKey, value: Service | VirtualIP | None) -> None:
        self.history.take(Change(next(self._versions), kind, key, value, self.now))

    def wrong(self) -> list[str]:
        return [item.text for item in self.history.violations]


def test_an_address_comes_and_goes_in_order() -> None:
    tale = Tale()
    tale.service("a")
    tale.entry(A)
    tale.service("a", ADDRESS)
    tale.service("a")
    tale.struck()
    tale.entry(B)
    tale.gone("a")
    assert tale.wrong() == []
    assert tale.history.counts == {SERVICE: 4, VIRTUAL_IP: 3}


def test_a_service_that_is_gone_shows_nothing() -> None:
    tale = Tale()
    tale.entry(A)
    tale.service("a", ADDRESS)
    tale.gone("a")
    tale.struck()
    assert tale.wrong() == []


@pytest.mark.parametrize("address", [ADDRESS, "fd00::1"])
def test_a_status_before_the_ledger_is_wrong(address: str) -> None:
    tale = Tale()
    tale.service("a", address)
    assert tale.wrong() == [f"default/a shows {address}, which the ledger has for nobody"]


def test_a_status_with_the_address_of_another_is_wrong() -> None:
    tale = Tale()
    tale.entry(B)
    tale.service("a", ADDRESS)
    assert tale.wrong() == [f"default/a shows {ADDRESS}, which the ledger has for default/b"]
    (violation,) = tale.history.violations
    assert violation.trail == (
        f"1: {ADDRESS} is held by default/b", f"2: default/a shows {ADDRESS}",
    )  # fmt: skip
    assert str(violation).startswith("at version 2: default/a shows")


@pytest.mark.parametrize("goes", ["struck", "given away"])
def test_an_entry_that_goes_before_the_status_is_wrong(goes: str) -> None:
    tale = Tale()
    tale.entry(A)
    tale.service("a", ADDRESS)
    if goes == "struck":
        tale.struck()
    else:
        tale.entry(B)
    assert tale.wrong() == [f"{ADDRESS} is taken from default/a, whose status still shows it"]


@pytest.mark.parametrize(
    ("mine", "theirs", "may"),
    [
        ({"key": "k"}, {"key": "k", "ports": HTTPS}, True),
        ({"key": "k"}, {"annotations": {"metallb.io/allow-shared-ip": "k"}, "ports": HTTPS}, True),
        ({"key": "k"}, {"key": "k", "ports": HTTP}, False),
        ({"key": "k"}, {"key": "l", "ports": HTTPS}, False),
        ({}, {"ports": HTTPS}, False),
        ({"key": " "}, {"key": " ", "ports": HTTPS}, False),
        (
            {"key": "k", "externalTrafficPolicy": "Local"},
            {"key": "k", "ports": HTTPS, "externalTrafficPolicy": "Local"},
            False,
        ),
        (
            {"key": "k", "externalTrafficPolicy": "Local", "selector": {"app": "x"}},
            {
                "key": "k",
                "ports": HTTPS,
                "externalTrafficPolicy": "Local",
                "selector": {"app": "x"},
            },
            True,
        ),
        ({"key": "k"}, {"key": "k", "ports": HTTPS, "externalTrafficPolicy": "Local"}, False),
    ],
)
def test_who_may_share(mine: dict[str, Any], theirs: dict[str, Any], *, may: bool) -> None:
    tale = Tale()
    tale.service("a", **mine)
    tale.service("b", **theirs)
    tale.entry(A)
    tale.entry(A, B)
    given = f"{ADDRESS} is given to default/b, though default/a holds it, who may not share"
    assert tale.wrong() == ([] if may else [given])
    assert tale.history.joins == 1
    tale.history.strictly()
    assert len(tale.wrong()) == (0 if may else 2)


def test_two_who_come_together_are_judged_too() -> None:
    tale = Tale()
    tale.service("a")
    tale.service("b")
    tale.entry(A, B)
    assert len(tale.wrong()) == 2


def test_what_a_service_asked_for_a_moment_ago_counts_for_a_while() -> None:
    def told(seconds: float) -> Tale:
        tale = Tale()
        tale.service("a", key="k")
        tale.service("b", key="k", ports=HTTPS)
        tale.entry(A)
        tale.service("b", ports=HTTPS)
        tale.now += seconds
        tale.entry(A, B)
        return tale

    tale = told(LATELY_SECONDS - 1)
    assert tale.wrong() == []
    assert tale.history.behind_seconds == LATELY_SECONDS - 1
    tale.history.strictly()
    assert tale.wrong() == [f"default/a and default/b may not share {ADDRESS}"]
    [late] = told(LATELY_SECONDS + 1).wrong()
    assert late.endswith(f"who may not share since {LATELY_SECONDS + 1:.1f} s")
    [never] = told(KEPT_SECONDS + 1).wrong()
    assert never.endswith("who may not share")


def test_who_is_not_touched_keeps_its_address() -> None:
    tale = Tale(A)
    tale.service("a")
    tale.entry(A)
    tale.service("a", ADDRESS)
    tale.service("a", ADDRESS)
    assert tale.wrong() == []
    tale.service("a")
    assert tale.wrong() == [f"default/a, which nobody touches, shows [] after ['{ADDRESS}']"]


# ---------------------------------------------------------------- the order of several watches


def change(kind: str, version: int) -> Change:
    return Change(version, kind, A, None, 0.0)


def test_changes_come_out_by_version_when_all_watches_have_reached_it() -> None:
    sequence = Sequence(SERVICE, VIRTUAL_IP)
    sequence.add(change(SERVICE, 5))
    sequence.add(change(SERVICE, 9))
    assert list(sequence.take()) == []
    sequence.add(change(VIRTUAL_IP, 7))
    assert [item.version for item in sequence.take()] == [5, 7]
    sequence.reach(VIRTUAL_IP, 8)
    assert list(sequence.take()) == []
    sequence.reach(VIRTUAL_IP, 20)
    assert [item.version for item in sequence.take()] == [9]


def test_in_the_end_all_come_out() -> None:
    sequence = Sequence(SERVICE, VIRTUAL_IP)
    for version in (3, 5):
        sequence.add(change(SERVICE, version))
    assert [item.version for item in sequence.take(is_complete=True)] == [3, 5]
