"""Services are told why nobody hears of their addresses, once."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from metallb.api.meta import ObjectKey
from metallb.api.services import Service, read_service
from metallb.api.virtual_ips import (
    BGPAnnouncer,
    VirtualIP,
    VirtualIPSpec,
    VirtualIPStatus,
    new_virtual_ip,
)
from metallb_controller.reconcile.silences import tell_silence
from support.objects import service_object

if TYPE_CHECKING:
    from metallb_controller.reconcile.model import PostEvent

WEB, GONE = ObjectKey("default", "web"), ObjectKey("default", "gone")
CONFLICT = "conflictingAdvertisements"


def services() -> dict[ObjectKey, Service]:
    found = read_service(service_object("web"))
    assert isinstance(found, Service)
    return {found.meta.key: found}


def vip(*announcers: BGPAnnouncer) -> VirtualIP:
    made = new_virtual_ip(VirtualIPSpec(ip_address("10.0.0.1"), "p", (WEB, GONE)))
    return replace(made, status=VirtualIPStatus(bgp=announcers))


def told(before: VirtualIP | None, after: VirtualIP) -> list[PostEvent]:
    return list(tell_silence(before, after, services()))


A, B = BGPAnnouncer("a", "t", (), CONFLICT), BGPAnnouncer("b", "t", (), CONFLICT)


def test_the_first_node_that_says_why_is_told_of() -> None:
    (event,) = told(vip(), vip(A, B))
    assert (event.about.key, event.is_warning, event.reason) == (WEB, True, CONFLICT)
    assert event.message == f"10.0.0.1 is announced to no peer, as node a finds: {CONFLICT}"


def test_what_was_known_is_not_told_again() -> None:
    assert told(vip(A), vip(A, B)) == []
    assert told(vip(A), vip(A)) == []
    assert told(None, vip(A)) == []


def test_a_node_that_announces_has_nothing_to_tell() -> None:
    assert told(vip(), vip(BGPAnnouncer("a", "t", ("tor",)))) == []
    assert told(vip(A), vip()) == []
