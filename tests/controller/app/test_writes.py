"""Each write against the embedded API server: what it does, and how each answer is judged."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.classes import ClassStatus, status_object
from metallb.api.conditions import Condition, ServiceCondition
from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import (
    Layer2Orders,
    VirtualIP,
    VirtualIPSpec,
    new_virtual_ip,
    read_virtual_ip,
)
from metallb.kube.errors import NotFoundError, NotLeaderError
from metallb_controller.app.resources import CLASSES, SERVICES, VIRTUAL_IPS
from metallb_controller.app.writes import Writer
from metallb_controller.reconcile.ledger import vip_target
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Outcome,
    PatchPoolStatus,
    PatchServiceStatus,
    Result,
    Target,
    TargetKind,
    UpdateVirtualIP,
)
from metallb_lab.apiserver import Match
from support.objects import class_object, service_object

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

IP = ip_address("10.0.0.1")
WEB = ObjectKey("default", "web")
SPEC = VirtualIPSpec(IP, "ingress", (WEB,), layer2=Layer2Orders(("a", "b")))
BOUND = Condition(ServiceCondition.CLASS, True, "LoadBalancerClassBound", "ingress")


class Desk:
    """A writer, with what it feeds back."""

    def __init__(self, client: ApiClient) -> None:
        self.fed: list[tuple[str, dict[str, Any]]] = []
        self._writer = Writer(
            client,
            lambda value: self.fed.append(("vip", value)),
            lambda value: self.fed.append(("service", value)),
            {TargetKind.CLASS_STATUS: lambda value: self.fed.append(("class", value))},
        )

    async def write(self, write: Any) -> Result:
        return await self._writer.carry_out(write)


@pytest.fixture
def desk(alice: ApiClient) -> Desk:
    return Desk(alice)


def _create(spec: VirtualIPSpec = SPEC) -> CreateVirtualIP:
    return CreateVirtualIP(vip_target(spec.address), new_virtual_ip(spec))


async def _vip(admin: ApiClient, name: str = "10.0.0.1") -> VirtualIP:
    found = read_virtual_ip(await admin.get(VIRTUAL_IPS, name))
    assert isinstance(found, VirtualIP)
    return found


def _without_identity(value: dict[str, Any]) -> dict[str, Any]:
    meta = value["metadata"]
    for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        meta.pop(name, None)
    return value


# -- the ledger ------------------------------------------------------------------------------------


async def test_an_entry_is_made_and_told(admin: ApiClient, desk: Desk) -> None:
    assert await desk.write(_create()) == Result(Outcome.DONE)
    found = await _vip(admin)
    assert found.spec == SPEC
    assert [kind for kind, _ in desk.fed] == ["vip"]
    assert read_virtual_ip(desk.fed[0][1]) == found


async def test_of_two_that_make_an_entry_the_second_hears_of_the_first(
    admin: ApiClient, desk: Desk
) -> None:
    await desk.write(_create())
    other = replace(SPEC, services=(ObjectKey("default", "other"),))
    assert await desk.write(_create(other)) == Result(Outcome.EXISTS)
    assert read_virtual_ip(desk.fed[-1][1]) == await _vip(admin)
    assert (await _vip(admin)).spec == SPEC


async def test_what_is_there_already_may_be_gone_when_looked_at(
    desk: Desk, server: ApiServer
) -> None:
    await desk.write(_create())
    server.faults.add("status", Match(user="alice", verb="get"), code=503, count=1)
    assert await desk.write(_create()) == Result(Outcome.EXISTS)
    assert len(desk.fed) == 1


async def test_the_orders_change_and_what_speakers_report_does_not_matter(
    admin: ApiClient, desk: Desk
) -> None:
    await desk.write(_create())
    before = await _vip(admin)
    status = {"announcers": [{"node": "a", "since": "2026-01-01T00:00:00Z"}]}
    await admin.patch(VIRTUAL_IPS, "10.0.0.1", {"status": status}, subresource="status")
    after = replace(SPEC, layer2=Layer2Orders(("b", "a")))
    write = UpdateVirtualIP(vip_target(IP), before, after)
    assert await desk.write(write) == Result(Outcome.DONE)
    found = await admin.get(VIRTUAL_IPS, "10.0.0.1")
    assert found["spec"]["layer2"]["nodes"] == ["b", "a"]
    assert found["status"] == status
    assert await desk.write(write) == Result(Outcome.STALE)  # decided on an old view


async def test_another_pool_is_another_label(admin: ApiClient, desk: Desk) -> None:
    await desk.write(_create())
    write = UpdateVirtualIP(vip_target(IP), await _vip(admin), replace(SPEC, pool="other"))
    assert await desk.write(write) == Result(Outcome.DONE)
    labels = (await admin.get(VIRTUAL_IPS, "10.0.0.1"))["metadata"]["labels"]
    assert labels["network.deckhouse.io/load-balancer-class"] == "other"


async def test_an_entry_that_is_gone_cannot_change(admin: ApiClient, desk: Desk) -> None:
    await desk.write(_create())
    before = await _vip(admin)
    await admin.delete(VIRTUAL_IPS, "10.0.0.1")
    write = UpdateVirtualIP(vip_target(IP), before, SPEC)
    assert await desk.write(write) == Result(Outcome.GONE)
    await desk.write(_create())  # another one, of the same name
    assert await desk.write(write) == Result(Outcome.STALE)


async def test_an_entry_is_struck_only_as_it_was_seen(admin: ApiClient, desk: Desk) -> None:
    await desk.write(_create())
    seen = await _vip(admin)
    await admin.patch(VIRTUAL_IPS, "10.0.0.1", {"spec": {"trafficPolicy": "Local"}})
    assert await desk.write(DeleteVirtualIP(vip_target(IP), seen)) == Result(Outcome.STALE)
    write = DeleteVirtualIP(vip_target(IP), await _vip(admin))
    assert await desk.write(write) == Result(Outcome.DONE)
    with pytest.raises(NotFoundError):
        await admin.get(VIRTUAL_IPS, "10.0.0.1")
    assert await desk.write(write) == Result(Outcome.DONE)  # that is what was wanted


async def test_an_entry_that_breaks_the_schema_is_refused_with_the_servers_words(
    admin: ApiClient, desk: Desk
) -> None:
    bad = replace(SPEC, pool="x" * 300)
    result = await desk.write(_create(bad))
    assert result.outcome is Outcome.REFUSED
    assert "spec.pool" in result.words
    await desk.write(_create())
    result = await desk.write(UpdateVirtualIP(vip_target(IP), await _vip(admin), bad))
    assert result.outcome is Outcome.REFUSED
    assert "spec.pool" in result.words


# -- the status of Services ------------------------------------------------------------------------


async def _service(admin: ApiClient, **rest: Any) -> dict[str, Any]:
    value = _without_identity(service_object("web", **rest))
    value["spec"]["allocateLoadBalancerNodePorts"] = False
    return await admin.create(SERVICES, value, "default")


def _patch(service: dict[str, Any], **rest: Any) -> PatchServiceStatus:
    meta = service["metadata"]
    given: dict[str, Any] = {"addresses": ("10.0.0.1",), "conditions": (BOUND,), **rest}
    target = Target(TargetKind.SERVICE_STATUS, WEB)
    return PatchServiceStatus(target, meta["uid"], meta["resourceVersion"], **given)


async def test_a_status_gets_addresses_and_our_conditions_and_keeps_foreign_ones(
    admin: ApiClient, desk: Desk
) -> None:
    await _service(admin)
    foreign = {"type": "Foreign", "status": "True", "reason": "X", "message": "",
               "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    service = await admin.patch(
        SERVICES, "web", {"status": {"conditions": [foreign]}},
        namespace="default", subresource="status",
    )  # fmt: skip
    stamped = replace(BOUND, changed_at="2026-02-02T00:00:00Z")
    assert await desk.write(_patch(service, conditions=(stamped,))) == Result(Outcome.DONE)
    status = (await admin.get(SERVICES, "web", "default"))["status"]
    assert status["loadBalancer"] == {"ingress": [{"ip": "10.0.0.1", "ipMode": "VIP"}]}
    assert {item["type"] for item in status["conditions"]} == {"Foreign", BOUND.type}
    assert foreign in status["conditions"]
    assert desk.fed[-1][0] == "service"


async def test_conditions_alone_leave_the_addresses_and_the_other_way_round(
    admin: ApiClient, desk: Desk
) -> None:
    stamped = replace(BOUND, changed_at="2026-02-02T00:00:00Z")
    await desk.write(_patch(await _service(admin), conditions=(stamped,)))
    for change in ({"addresses": None}, {"conditions": ()}):
        service = await admin.get(SERVICES, "web", "default")
        write = _patch(service, **{"conditions": (stamped,), **change})
        assert await desk.write(write) == Result(Outcome.DONE)
        status = (await admin.get(SERVICES, "web", "default"))["status"]
        assert [item["ip"] for item in status["loadBalancer"]["ingress"]] == ["10.0.0.1"]
        assert [item["type"] for item in status["conditions"]] == [BOUND.type]


async def test_our_words_and_addresses_are_taken_back(admin: ApiClient, desk: Desk) -> None:
    stamped = replace(BOUND, changed_at="2026-02-02T00:00:00Z")
    await desk.write(_patch(await _service(admin), conditions=(stamped,)))
    service = await admin.get(SERVICES, "web", "default")
    write = _patch(service, addresses=(), conditions=(), removed=(BOUND.type,))
    assert await desk.write(write) == Result(Outcome.DONE)
    status = (await admin.get(SERVICES, "web", "default"))["status"]
    assert not status.get("conditions")
    assert not status["loadBalancer"].get("ingress")


async def test_a_status_decided_on_an_old_view_is_not_written(admin: ApiClient, desk: Desk) -> None:
    service = await _service(admin)
    await admin.patch(SERVICES, "web", {"metadata": {"labels": {"a": "b"}}}, namespace="default")
    assert await desk.write(_patch(service)) == Result(Outcome.STALE)
    await admin.delete(SERVICES, "web", "default")
    assert await desk.write(_patch(service)) == Result(Outcome.GONE)
    await _service(admin)  # another one, of the same name
    assert await desk.write(_patch(service)) == Result(Outcome.STALE)


# -- the status of classes -------------------------------------------------------------------------


async def test_a_class_gets_its_status(admin: ApiClient, desk: Desk) -> None:
    made = await admin.create(CLASSES, _without_identity(class_object()))
    ready = Condition("Ready", True, "Serving", "", "2026-01-01T00:00:00Z")
    target = Target(TargetKind.CLASS_STATUS, ObjectKey("", "ingress"))
    status = status_object(ClassStatus(9, 1, 8, 3, 1, (ready,)))
    meta = made["metadata"]
    write = PatchPoolStatus(target, meta["uid"], meta["resourceVersion"], status)
    assert await desk.write(write) == Result(Outcome.DONE)
    found = (await admin.get(CLASSES, "ingress"))["status"]
    assert found["addresses"] == {"total": 9, "used": 1, "free": 8}
    assert [item["type"] for item in found["conditions"]] == ["Ready"]
    assert desk.fed[-1][0] == "class"
    assert await desk.write(write) == Result(Outcome.STALE)  # decided on an old view
    await admin.delete(CLASSES, "ingress")
    assert await desk.write(write) == Result(Outcome.GONE)


# -- what can go wrong with any write --------------------------------------------------------------


async def test_a_busy_server_is_left_alone_as_long_as_it_asks(
    desk: Desk, server: ApiServer
) -> None:
    server.faults.add("status", Match(user="alice"), code=429, retry_after=7, count=1)
    assert await desk.write(_create()) == Result(Outcome.FAILED, 7.0)


@pytest.mark.parametrize("how", ["status", "partition-reset", "lose-answer"])
async def test_a_write_without_an_answer_has_failed_as_far_as_is_known(
    desk: Desk, server: ApiServer, how: Any
) -> None:
    server.faults.add(how, Match(user="alice"), count=1)
    assert (await desk.write(_create())).outcome is Outcome.FAILED
    assert desk.fed == []


async def test_a_write_that_is_not_allowed_is_refused(desk: Desk, server: ApiServer) -> None:
    server.faults.add("status", Match(user="alice"), code=403, count=1)
    assert (await desk.write(_create())).outcome is Outcome.REFUSED


async def test_who_leads_no_more_sends_nothing(alice: ApiClient, server: ApiServer) -> None:
    def shut() -> float:
        raise NotLeaderError("shut")

    desk = Desk(alice.fenced(shut))
    assert await desk.write(_create()) == Result(Outcome.FAILED)
    assert server.faults.requests_of(user="alice") == 0
