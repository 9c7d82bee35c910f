"""Addresses that only children of Deckhouse's own module have: adopted when a term begins, on the
embedded API server. On the real one: `tests/migration/test_takeover.py`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.deckhouse_children import FINALIZER
from metallb.kube.client import Resource
from metallb.kube.errors import ForbiddenError, InvalidError, NotFoundError, NotLeaderError
from metallb_controller.app.adoption import ADOPTED, NOT_ADOPTED
from metallb_controller.app.migration import enter_one
from metallb_controller.app.resources import CHILDREN, CLASSES, SERVICES, VIRTUAL_IPS
from metallb_lab.apiserver import Match
from module.hooks.deckhouse import OLD_CRD
from support.apiclients import client_of
from support.objects import bound_condition, class_object, service_object
from support.terms import Term
from support.waiting import until, until_it

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", False)
LOGGER = "metallb_controller.app.adoption"


@pytest.fixture
async def term(alice: ApiClient, admin: ApiClient) -> Term:
    """A class whose first addresses are free, and an older Service that wants one."""
    made = Term(alice, admin)
    await made.put(CLASSES, class_object(isDefault=True))
    await made.put(SERVICES, service_object("older"))
    return made


@pytest.fixture
async def children(admin: ApiClient) -> ApiClient:
    """The old kind."""
    await admin.create(DEFINITIONS, OLD_CRD)
    return admin


async def bound(term: Term, name: str, *ingress: str, count: str | None = None) -> None:
    """Make a Service as Deckhouse's module leaves it."""
    value = service_object(
        name, count=count, ingress=ingress, conditions=(bound_condition("ingress"),)
    )
    await term.put(SERVICES, value)
    body = {"status": value["status"]}
    await term.admin.patch(SERVICES, name, body, namespace="default", subresource="status")


async def child(
    term: Term,
    service: str,
    number: int,
    *addresses: str,
    finalizers: tuple[str, ...] = (FINALIZER,),
) -> str:
    """Make a child that is held, unless it is said."""
    name = f"{service}-ingress-{number}"
    value = {
        "apiVersion": "internal.network.deckhouse.io/v1alpha1",
        "kind": "SDNInternalL2LBService",
        "metadata": {"name": name, "namespace": "default", "finalizers": list(finalizers)},
        "spec": {"serviceRef": {"name": service, "namespace": "default"}},
    }
    await term.admin.create(CHILDREN, value, "default")
    status = {"loadBalancer": {"ingress": [{"ip": item} for item in addresses]}}
    await term.admin.patch(
        CHILDREN, name, {"status": status}, namespace="default", subresource="status"
    )
    return name


async def finalizers_of(term: Term, name: str) -> list[str] | None:
    """Give the finalizers of a child; None when it is gone."""
    try:
        found = await term.admin.get(CHILDREN, name, "default")
    except NotFoundError:
        return None
    return list(found["metadata"].get("finalizers", []))


async def until_let_go(term: Term, *names: str) -> None:
    async def are_free() -> bool:
        return not any([await finalizers_of(term, name) for name in names])

    await until_it(are_free, f"{names} are let go")


def asked_for_children(server: ApiServer) -> dict[str, int]:
    """Count alice's requests about children that there are, by their verbs."""
    return {
        verb: number
        for (user, verb, resource), number in server.faults.requests.items()
        if user == "alice" and resource.startswith(CHILDREN.plural)
    }


def noting(client: ApiClient, note: Callable[[str, str], object]) -> None:
    """Tell of each request of a client before it is sent: its verb and its path."""
    request = client.request

    async def noted(verb: str, path: str, **rest: Any) -> Any:
        note(verb, path)
        return await request(verb, path, **rest)

    client.__dict__["request"] = noted


def forbidding(client: ApiClient, method: str) -> None:
    """Let a client be refused what it asks of children, as an API server would."""

    def refuse(verb: str, path: str) -> None:
        if verb == method and f"/{CHILDREN.plural}" in path:
            raise ForbiddenError(403, "Forbidden", "not for you")

    noting(client, refuse)


async def test_without_the_kind_it_is_one_request(
    term: Term, alice: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    paths: list[str] = []
    noting(alice, lambda verb, path: paths.append(path))
    async with term.running():
        await term.until_addresses("older", "10.0.0.1")
    assert [path for path in paths if CHILDREN.plural in path] == [CHILDREN.path()]
    assert paths[0] == CHILDREN.path(), "before anything else"
    assert [item for item in caplog.records if item.name == LOGGER] == []


async def test_the_kind_without_objects_is_one_request(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    async with term.running():
        await term.until_addresses("older", "10.0.0.1")
    assert asked_for_children(server) == {"list": 1}


async def test_an_address_of_a_child_is_entered_before_anybody_gets_one(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    names = [await child(term, "web", 0, "10.0.0.5"), await child(term, "web", 1, "10.0.0.2")]
    for name in names:
        await term.admin.delete(CHILDREN, name, "default")  # as the release does
        assert await finalizers_of(term, name) == [FINALIZER], "it stays, for it is held"
    async with term.running():
        await term.until_addresses("older", "10.0.0.1")
        await term.until_addresses("web", "10.0.0.5", "10.0.0.2")
        await until_let_go(term, *names)
        await until_it(lambda: term.events_about("web"))
        assert [await finalizers_of(term, name) for name in names] == [None, None]
        assert (await term.events_about("web"))[ADOPTED].startswith("10.0.0.2 of a child object")
    assert asked_for_children(server)["patch"] == 2


async def test_a_child_stays_while_the_status_cannot_be_written(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    fault = server.faults.add(
        "status", Match(user="alice", verb="patch", resource="services"), code=503
    )
    async with term.running():
        await until(lambda: fault.used >= 3)
        assert (await term.admin.get(VIRTUAL_IPS, "10.0.0.2"))["spec"]["services"]
        assert await finalizers_of(term, name) == [FINALIZER]
        server.faults.remove(fault)
        await until_let_go(term, name)
        assert await term.addresses("web") == ["10.0.0.5", "10.0.0.2"]


async def test_a_leader_that_dies_between_entry_and_status_is_followed_by_one_that_goes_on(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    fault = server.faults.add(
        "partition-reset", Match(user="alice", verb="patch", resource="services")
    )
    async with term.running():
        await until(lambda: fault.used >= 1)
    entered = await term.admin.get(VIRTUAL_IPS, "10.0.0.2")
    assert await finalizers_of(term, name) == [FINALIZER]
    async with client_of(server, "bob") as bob:
        again = Term(bob, term.admin)
        async with again.running():
            await again.until_addresses("web", "10.0.0.5", "10.0.0.2")
            await until_let_go(again, name)
            await again.until_addresses("older", "10.0.0.1")
        now = await term.admin.get(VIRTUAL_IPS, "10.0.0.2")
        assert now["metadata"]["uid"] == entered["metadata"]["uid"]


async def test_a_leader_that_dies_before_an_entry_leaves_the_child_for_the_next(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    fault = server.faults.add("status", Match(user="alice", verb="create"), code=503)
    async with term.running():
        await until(lambda: fault.used >= 2)
        assert not term.leadership.is_loaded, "nobody is given anything as yet"
    assert [await term.addresses(item) for item in ("web", "older")] == [["10.0.0.5"], []]
    async with client_of(server, "bob") as bob:
        again = Term(bob, term.admin)
        async with again.running():
            await again.until_addresses("web", "10.0.0.5", "10.0.0.2")
            await until_let_go(again, name)


async def test_who_has_lost_the_lease_writes_nothing(
    term: Term, children: ApiClient, alice: ApiClient, admin: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    asked = 0

    def fence() -> float:
        nonlocal asked
        asked += 1
        raise NotLeaderError("the lease is another's")

    fenced = Term(alice, admin, writing=alice.fenced(fence))
    version = server.store.version
    async with fenced.running():
        await until(lambda: asked >= 3)
        assert not fenced.leadership.is_loaded
    assert server.store.version == version
    assert await finalizers_of(term, name) == [FINALIZER]


async def test_what_is_not_held_is_adopted_and_left_alone(
    term: Term, children: ApiClient, server: ApiServer
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2", finalizers=("example.com/theirs",))
    async with term.running():
        await term.until_addresses("web", "10.0.0.5", "10.0.0.2")
        await until_it(lambda: term.events_about("web"))
    assert await finalizers_of(term, name) == ["example.com/theirs"]
    assert asked_for_children(server) == {"list": 1}


async def test_what_a_service_does_not_keep_is_told_and_not_waited_for(
    term: Term, children: ApiClient
) -> None:
    await bound(term, "web", "10.0.0.5")
    names = [
        await child(term, "web", 1, "10.0.0.9"),
        await child(term, "gone", 0, "10.0.0.8"),
        await child(term, "older", 0),
    ]
    async with term.running():
        await until_let_go(term, *names)
        await until_it(lambda: term.events_about("web"))
        words = (await term.events_about("web"))[NOT_ADOPTED]
        assert words.startswith("10.0.0.9 of a child object is not kept: ")
        assert await term.addresses("web") == ["10.0.0.5"]


async def test_a_child_that_changed_is_looked_at_again(
    term: Term, children: ApiClient, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bound(term, "web", "10.0.0.5", count="3")
    names = [await child(term, "web", 1, "10.0.0.2"), await child(term, "web", 2, "10.0.0.1")]

    async def slow(client: ApiClient, vip: Any) -> bool:
        label = {"metadata": {"labels": {"seen": vip.name}}}
        for name in names:
            if await finalizers_of(term, name):
                await term.admin.patch(CHILDREN, name, label, namespace="default")
        return await enter_one(client, vip)

    monkeypatch.setattr(f"{LOGGER}.enter_one", slow)
    async with term.running():
        await until_let_go(term, *names)
    assert asked_for_children(server)["list"] >= 2


async def test_a_child_that_is_gone_is_let_go(
    term: Term, children: ApiClient, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")

    async def slow(client: ApiClient, vip: Any) -> bool:
        if await finalizers_of(term, name) is not None:
            nothing: dict[str, Any] = {"metadata": {"finalizers": []}}
            await term.admin.patch(CHILDREN, name, nothing, namespace="default")
            await term.admin.delete(CHILDREN, name, "default")
        return await enter_one(client, vip)

    monkeypatch.setattr(f"{LOGGER}.enter_one", slow)
    async with term.running():
        await term.until_addresses("web", "10.0.0.5", "10.0.0.2")
        await until(lambda: not term.leadership._adoption._holds)
    assert asked_for_children(server)["patch"] == 1


async def test_who_may_not_read_children_leads_all_the_same(
    term: Term, children: ApiClient, alice: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    forbidding(alice, "GET")
    async with term.running():
        await until_it(lambda: term.addresses("older"))
    [record] = [item for item in caplog.records if item.name == LOGGER]
    assert "are not adopted" in record.getMessage()
    assert await finalizers_of(term, name) == [FINALIZER]


async def test_who_may_not_let_go_says_so_once(
    term: Term, children: ApiClient, alice: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    await bound(term, "web", "10.0.0.5", count="2")
    name = await child(term, "web", 1, "10.0.0.2")
    forbidding(alice, "PATCH")
    async with term.running():
        await term.until_addresses("web", "10.0.0.5", "10.0.0.2")
        await until(lambda: not term.leadership._adoption._holds)
    errors = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert [f"{name} stays" in item.getMessage() for item in errors] == [True]


async def test_a_server_that_cannot_answer_for_long_keeps_nobody_from_leading(
    term: Term, children: ApiClient, server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.add("status", Match(user="alice", resource=CHILDREN.plural), code=503)
    term.leadership._adoption._patience_seconds = 0.3
    async with term.running():
        await until_it(lambda: term.addresses("older"))
    assert asked_for_children(server)["list"] >= 2
    assert "are not adopted" in caplog.text


async def test_an_address_that_is_refused_keeps_its_child_and_nobody_else(
    term: Term, children: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bound(term, "web", "10.0.0.5", count="3")
    names = [await child(term, "web", 1, "10.0.0.7"), await child(term, "web", 2, "10.0.0.8")]

    async def refused(client: ApiClient, vip: Any) -> bool:
        if vip.name == "10.0.0.7":
            raise InvalidError(422, "Invalid", "no such address")
        return await enter_one(client, vip)

    monkeypatch.setattr(f"{LOGGER}.enter_one", refused)
    async with term.running():
        await until_let_go(term, names[1])
    assert await finalizers_of(term, names[0]) == [FINALIZER]


async def test_a_plan_that_fails_is_told_and_the_term_goes_on(
    term: Term, children: ApiClient, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    await bound(term, "web", "10.0.0.5", count="2")
    await child(term, "web", 1, "10.0.0.2")
    monkeypatch.setattr(f"{LOGGER}.plan_addresses", broken)
    async with term.running():
        await until_it(lambda: term.addresses("older"))
    assert "cannot be understood" in caplog.text


async def test_odd_children_stop_nobody(term: Term, children: ApiClient) -> None:
    for number, spec in enumerate(({}, {"serviceRef": "text"}, {"serviceRef": {"name": 7}})):
        value = {
            "apiVersion": "internal.network.deckhouse.io/v1alpha1",
            "kind": "SDNInternalL2LBService",
            "metadata": {"name": f"odd-{number}", "namespace": "default"},
            "spec": spec,
        }
        await term.admin.create(CHILDREN, value, "default")
    name = await child(term, "older", 0, "no address")
    async with term.running():
        await term.until_addresses("older", "10.0.0.1")
        await until_let_go(term, name)
