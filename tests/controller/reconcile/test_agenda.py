"""What is to be looked at again: each thing once, first come first served."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import ObjectKey
from metallb_controller.reconcile.agenda import Agenda, Touched
from metallb_controller.reconcile.model import Target, TargetKind

A, B, C = (ObjectKey("n", name) for name in "abc")
EDGE = ObjectKey("", "edge")
IP = ip_address("fd00::1")


def test_services_come_out_once_in_the_order_in_which_they_came_up() -> None:
    agenda = Agenda()
    for key in (B, A, B):
        agenda.services[key] = None
    assert list(agenda.take_services(9)) == [B, A]
    assert list(agenda.take_services(9)) == []


def test_only_so_many_are_taken_and_what_comes_up_meanwhile_is_next() -> None:
    agenda = Agenda(services={A: None, B: None, C: None})
    taken = []
    for key in agenda.take_services(2):
        taken.append(key)
        agenda.services[A] = None
    assert taken == [A, B]
    assert list(agenda.services) == [C, A]


def test_what_is_taken_is_gone() -> None:
    agenda = Agenda()
    agenda.add_statuses([A, B, A])
    agenda.vips[IP] = None
    assert list(agenda.take_statuses()) == [A, B]
    assert list(agenda.take_vips()) == [IP]
    assert (agenda.take_statuses(), agenda.take_vips()) == ({}, {})


def test_what_is_postponed_comes_a_few_at_a_time_after_the_others() -> None:
    agenda = Agenda(vips={ip_address(f"10.0.{n // 250}.{n % 250}"): None for n in range(125)})
    agenda.postpone_vips()
    assert not agenda.vips
    agenda.vips[IP] = None
    taken = [list(agenda.take_vips()) for _ in range(4)]
    assert taken[0][0] == IP
    assert [len(some) for some in taken] == [51, 50, 25, 0]


def test_what_a_decision_touched_is_added() -> None:
    agenda = Agenda()
    agenda.add_touched(Touched({IP: None}, {A: None}, {"pool": None}))
    assert (list(agenda.vips), list(agenda.services), list(agenda.pools)) == ([IP], [A], ["pool"])
    assert agenda.statuses == {}


@pytest.mark.parametrize(
    ("kind", "key", "expected"),
    [
        (TargetKind.VIRTUAL_IP, ObjectKey("", "fd00--1"), Agenda(vips={IP: None})),
        (TargetKind.SERVICE_STATUS, A, Agenda(statuses={A: None})),
        (TargetKind.CLASS_STATUS, ObjectKey("", "front"), Agenda(pools={"front": None})),
        (TargetKind.POOL_STATUS, EDGE, Agenda(pools={"MetalLoadBalancerPool/edge": None})),
        (TargetKind.NATIVE_POOL_STATUS, EDGE, Agenda(pools={"IPAddressPool/edge": None})),
    ],
)
def test_the_target_of_a_write_is_added(kind: TargetKind, key: ObjectKey, expected: Agenda) -> None:
    agenda = Agenda()
    agenda.add_target(Target(kind, key))
    assert agenda == expected
