"""Leader election: the rules with time as an argument, then candidates on an embedded server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.election import LEASES, Election, ElectionSettings, Elector, LeaseRecord
from metallb.kube.errors import MalformedAnswerError, NotFoundError, NotLeaderError
from metallb_lab.apiserver import Match
from support.apiclients import CONFIG_MAPS, client_of, config_map
from support.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

SETTINGS = ElectionSettings(lease_seconds=9.0, retry_seconds=1.5, margin_seconds=2.0)


# -- the rules -------------------------------------------------------------------------------------


def _election(identity: str = "a") -> Election:
    return Election(identity, SETTINGS)


def test_a_free_lease_is_tried_for() -> None:
    assert _election().may_try(0.0)


def test_a_held_lease_is_not() -> None:
    election = _election()
    election.observe(LeaseRecord("b", 1, "10"), 100.0)
    assert not election.may_try(100.0)
    assert not election.is_leader(100.0)


def test_a_holder_that_is_silent_for_the_lease_is_replaced() -> None:
    election = _election()
    election.observe(LeaseRecord("b", 1, "10"), 100.0)
    election.observe(LeaseRecord("b", 1, "10"), 108.0)  # nothing new
    assert not election.may_try(108.9)
    assert election.may_try(109.0)
    election.observe(LeaseRecord("b", 1, "11"), 109.0)  # it lives
    assert not election.may_try(117.9)


def test_the_right_to_write_is_counted_from_when_the_renewal_was_sent() -> None:
    election = _election()
    election.won(LeaseRecord("a", 1, "10"), sent_at=100.0)
    assert election.fence(100.0) == 7.0
    assert election.fence(106.5) == 0.5
    with pytest.raises(NotLeaderError, match="a does not hold the lease"):
        election.fence(107.0)


def test_nobody_takes_over_before_the_right_to_write_has_ended() -> None:
    """The follower saw the last renewal no sooner than it was sent."""
    leader, follower = _election("a"), _election("b")
    record = LeaseRecord("a", 1, "10")
    leader.won(record, sent_at=100.0)
    follower.observe(record, 100.0)
    at = 100.0
    while not follower.may_try(at):
        at += 0.01
    assert not leader.is_leader(at - SETTINGS.margin_seconds + 0.02)


def test_a_lease_that_somebody_else_holds_ends_the_right_at_once() -> None:
    election = _election()
    election.won(LeaseRecord("a", 1, "10"), sent_at=100.0)
    election.observe(LeaseRecord("b", 2, "11"), 101.0)
    assert not election.is_leader(101.0)
    assert election.record.holder == "b"


def test_who_resigns_writes_nothing_more() -> None:
    election = _election()
    election.won(LeaseRecord("a", 1, "10"), sent_at=100.0)
    election.resign()
    with pytest.raises(NotLeaderError):
        election.fence(100.0)


def test_a_new_process_of_the_same_name_may_go_on_at_once() -> None:
    election = _election()
    election.observe(LeaseRecord("a", 1, "10"), 100.0)
    assert election.may_try(100.0)
    assert not election.is_leader(100.0)


# -- candidates ------------------------------------------------------------------------------------

QUICK = ElectionSettings(lease_seconds=1.2, retry_seconds=0.05, margin_seconds=0.3)


class Candidate:
    """An elector that runs, on the event loop's clock."""

    def __init__(self, client: ApiClient, name: str, settings: ElectionSettings = QUICK) -> None:
        clock = asyncio.get_running_loop().time
        self.elector = Elector(client, Election(name, settings), "kube-system", "lease", clock)
        self.writing = client.fenced(self.elector.fence)
        self.task = asyncio.create_task(self.elector.run())

    async def leads(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.elector.leading.wait()

    async def follows(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.elector.following.wait()

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def write(self, name: str) -> None:
        await self.writing.create(CONFIG_MAPS, config_map(name), "default")


@pytest.fixture
async def bob(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with client_of(server, "bob") as client:
        yield client


async def _lease(admin: ApiClient) -> dict[str, Any]:
    return dict((await admin.get(LEASES, "lease", "kube-system"))["spec"])


async def test_one_of_two_leads_and_a_clean_stop_hands_over_at_once(
    admin: ApiClient, alice: ApiClient, bob: ApiClient
) -> None:
    settings = ElectionSettings(lease_seconds=3600.0, retry_seconds=0.02, margin_seconds=800.0)
    first = Candidate(alice, "first", settings)
    await first.leads()
    second = Candidate(bob, "second", settings)
    await until(lambda: second.elector.election.record.holder == "first")
    spec = await _lease(admin)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("first", 3600)
    with pytest.raises(NotLeaderError):
        await second.write("a")
    await first.write("a")
    await first.stop()
    with pytest.raises(NotLeaderError):
        await first.write("b")
    await second.leads()  # an hour before the lease would have run out
    spec = await _lease(admin)
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 2)
    await second.write("b")
    await second.stop()
    assert (await _lease(admin))["holderIdentity"] in (None, "")


async def test_a_leader_that_is_cut_off_writes_nothing_more_and_another_leads(
    admin: ApiClient, alice: ApiClient, bob: ApiClient, server: ApiServer
) -> None:
    """Renewals and a write hang in the network; when it heals, none of them takes effect."""
    first, second = Candidate(alice, "first"), None
    try:
        await first.leads()
        second = Candidate(bob, "second")
        await until(lambda: second.elector.election.record.holder == "first")
        cut = server.faults.add("partition-hang", Match(user="alice"))
        in_flight = asyncio.create_task(first.write("late"))
        await second.leads()
        assert not first.elector.election.is_leader(asyncio.get_running_loop().time())
        async with asyncio.timeout(DEADLINE_SECONDS):
            with pytest.raises(TimeoutError):
                await in_flight
        await first.follows()
        with pytest.raises(NotLeaderError):
            await first.write("later")
        for _ in range(2):  # what the server hears later than that the writer has hung up
            await _lease(admin)
        server.faults.remove(cut)
        await until(lambda: first.elector.election.record.holder == "second")
        await second.write("taken-over")
        for name in ("late", "later"):
            with pytest.raises(NotFoundError):
                await admin.get(CONFIG_MAPS, name, "default")
    finally:
        for candidate in (first, second):
            if candidate is not None:
                await candidate.stop()


async def test_a_server_that_is_away_for_a_moment_costs_no_leadership(
    alice: ApiClient, server: ApiServer
) -> None:
    settings = ElectionSettings(lease_seconds=60.0, retry_seconds=0.02, margin_seconds=2.0)
    candidate = Candidate(alice, "first", settings)
    await candidate.leads()
    faults = [
        server.faults.add("status", Match(user="alice", verb="update"), code=503, count=2),
        server.faults.add("partition-reset", Match(user="alice", verb="get"), count=2),
        server.faults.add("lose-answer", Match(user="alice", verb="update"), count=2),
    ]
    await until(lambda: all(fault.used == fault.count for fault in faults))
    renewed = server.faults.requests_of(user="alice", verb="update")
    await until(lambda: server.faults.requests_of(user="alice", verb="update") > renewed + 2)
    assert candidate.elector.leading.is_set()
    await candidate.stop()


async def test_two_that_try_at_once_do_not_both_win(
    admin: ApiClient, server: ApiServer, alice: ApiClient, bob: ApiClient
) -> None:
    candidates = [Candidate(client, name) for client, name in ((alice, "a"), (bob, "b"))]
    await until(lambda: any(item.elector.leading.is_set() for item in candidates))
    for _ in range(20):
        assert sum(item.elector.leading.is_set() for item in candidates) <= 1
        await admin.get(LEASES, "lease", "kube-system")
    for item in candidates:
        await item.stop()


async def test_a_lease_that_somebody_took_by_hand_is_believed(
    admin: ApiClient, alice: ApiClient
) -> None:
    candidate = Candidate(alice, "first")
    await candidate.leads()
    patch = {"spec": {"holderIdentity": "somebody"}}
    await admin.patch(LEASES, "lease", patch, namespace="kube-system")
    await candidate.follows()
    with pytest.raises(NotLeaderError):
        await candidate.write("a")
    await candidate.leads()  # somebody does not renew it
    await candidate.stop()


async def test_a_lease_that_somebody_deleted_is_made_anew(
    admin: ApiClient, alice: ApiClient
) -> None:
    candidate = Candidate(alice, "first")
    await candidate.leads()
    await admin.delete(LEASES, "lease", "kube-system")
    made = False
    while not made:
        with contextlib.suppress(NotFoundError):
            made = (await _lease(admin))["holderIdentity"] == "first"
    assert candidate.elector.leading.is_set()
    await candidate.stop()


async def test_a_lease_that_cannot_be_given_back_does_not_hold_up_the_stop(
    alice: ApiClient, server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    candidate = Candidate(alice, "first")
    await candidate.leads()
    server.faults.add("status", Match(user="alice"), code=503)
    await candidate.stop()
    assert "lease lease was not given back" in caplog.text


class Odd:
    """A client that gets an answer which is no Lease."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.requests = 0

    async def request(self, *args: object, **options: object) -> object:
        await asyncio.sleep(0)
        self.requests += 1
        return self._answer


@pytest.mark.parametrize(
    "answer", ["text", [], {}, {"metadata": {}, "spec": "x"}, {"metadata": 1, "spec": {}}]
)
async def test_an_answer_that_is_no_lease_ends_nothing(answer: object) -> None:
    client: Any = Odd(answer)
    elector = Elector(client, Election("a", QUICK), "n", "lease", lambda: 0.0)
    task = asyncio.create_task(elector.run())
    await until(lambda: client.requests >= 2)
    assert not task.done()
    assert not elector.leading.is_set()
    task.cancel()


async def test_what_is_wrong_with_it_is_told() -> None:
    client: Any = Odd({"metadata": {}, "spec": {"leaseTransitions": "many"}})
    elector = Elector(client, Election("a", QUICK), "n", "lease", lambda: 0.0)
    with pytest.raises(MalformedAnswerError, match="no Lease"):
        await elector._read()
