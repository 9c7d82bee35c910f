"""What is not known for certain, and until when."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.services import Service, read_service
from metallb.api.virtual_ips import VirtualIP, VirtualIPSpec
from metallb_controller.reconcile.doubts import Doubts
from metallb_controller.reconcile.model import Outcome, PatchServiceStatus, Target, TargetKind
from support.objects import service_object

KEY = ObjectKey("default", "web")
IP = ip_address("10.0.0.1")


def _service(version: int) -> Service:
    return read_service(service_object("web", version=version))


def _patch(version: int) -> PatchServiceStatus:
    return PatchServiceStatus(Target(TargetKind.SERVICE_STATUS, KEY), "uid", str(version), (), ())


def _vip(version: str, uid: str = "u") -> VirtualIP:
    meta = Metadata(ObjectKey("", "10.0.0.1"), uid, version, 1, "", False)
    return VirtualIP(meta, VirtualIPSpec(IP, "pool", (KEY,)))


def test_a_patch_without_an_answer_is_doubtful_until_the_service_is_seen_again() -> None:
    doubts = Doubts()
    doubts.patch_failed(_patch(5), Outcome.FAILED, _service(5))
    assert doubts.is_doubtful_status(KEY)
    doubts.saw_service(KEY, _service(5))
    assert doubts.is_doubtful_status(KEY)
    doubts.saw_service(KEY, _service(6))
    assert not doubts.is_doubtful_status(KEY)


@pytest.mark.parametrize("how", ["answered", "gone"])
def test_or_until_it_is_answered_or_gone(how: str) -> None:
    doubts = Doubts()
    doubts.patch_failed(_patch(5), Outcome.FAILED, _service(5))
    if how == "answered":
        doubts.patch_answered(KEY)
    else:
        doubts.saw_service(KEY, None)
    assert not doubts.is_doubtful_status(KEY)


@pytest.mark.parametrize(
    ("outcome", "seen"),
    [
        (Outcome.STALE, _service(5)),
        (Outcome.REFUSED, _service(5)),
        (Outcome.FAILED, _service(6)),
        (Outcome.FAILED, None),
    ],
)
def test_a_patch_that_has_had_no_effect_for_certain_is_not(
    outcome: Outcome, seen: Service | None
) -> None:
    doubts = Doubts()
    doubts.patch_failed(_patch(5), outcome, seen)
    assert not doubts.is_doubtful_status(KEY)


def test_an_entry_is_doubtful_until_it_is_seen_again() -> None:
    doubts = Doubts()
    doubts.vip_unanswered(_vip("5"))
    doubts.saw_vip(IP, _vip("5"))
    assert doubts.is_doubtful_vip(IP)
    doubts.saw_vip(IP, _vip("6"))
    assert not doubts.is_doubtful_vip(IP)
    doubts.vip_unanswered(_vip("6"))
    doubts.saw_vip(IP, None)
    assert not doubts.is_doubtful_vip(IP)


def test_a_refusal_lasts_until_a_write_succeeds() -> None:
    doubts = Doubts()
    assert doubts.refusal(IP) == ""
    doubts.vip_refused(IP, "policy says no")
    assert doubts.refusal(IP) == "policy says no"
    doubts.vip_refused(IP, "")
    assert doubts.refusal(IP) == "no reason is given"
    doubts.vip_answered(IP)
    assert doubts.refusal(IP) == ""


def test_what_was_struck_is_remembered_and_its_successor_is_not_taken_for_it() -> None:
    doubts = Doubts()
    doubts.strike(_vip("5", uid="first"))
    assert doubts.is_struck(_vip("4", uid="first"))
    assert not doubts.is_struck(_vip("6", uid="second"))


def test_the_memory_of_what_was_struck_is_bounded() -> None:
    doubts = Doubts()
    for number in range(10_001):
        doubts.strike(_vip("5", uid=str(number)))
    assert not doubts.is_struck(_vip("5", uid="0"))
    assert doubts.is_struck(_vip("5", uid="1"))
