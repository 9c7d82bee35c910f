"""The leader makes the webhook known, and makes it known again when somebody undid it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from metallb.domain.webhook_registration import encoded
from metallb_controller.app.webhook_registration import (
    CONFIGURATIONS,
    DEFINITIONS,
    Registration,
)
from metallb_lab.apiserver import Match
from support.objects import NAMESPACE
from support.waiting import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

SERVICE = {"name": "metallb-webhook", "namespace": NAMESPACE}
NAME = "bgppeers.metallb.io"


class Authorities:
    """A certificate that changes when a test says so."""

    def __init__(self) -> None:
        self.bundle = "first"
        self.renewals = 0

    async def run(self) -> None:
        """Change by itself: never."""

    async def renew(self, writing: ApiClient) -> None:
        self.renewals += 1


def _definition() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1beta2",
            "schema": {"openAPIV3Schema": schema},
        }
        for name in ("v1beta1", "v1beta2")
    ]
    names = {"plural": "bgppeers", "kind": "BGPPeer"}
    spec = {"group": "metallb.io", "scope": "Namespaced", "names": names, "versions": versions}
    return {"metadata": {"name": NAME}, "spec": spec}


def _configuration() -> dict[str, Any]:
    hook = {
        "name": "objects.metallb.network.deckhouse.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"service": {**SERVICE, "path": "/validate"}},
        "rules": [
            {
                "apiGroups": ["metallb.io"],
                "apiVersions": ["v1beta1"],
                "operations": ["CREATE"],
                "resources": ["ipaddresspools"],
            }
        ],
    }
    return {"metadata": {"name": "metallb"}, "webhooks": [hook]}


@asynccontextmanager
async def _running(
    client: ApiClient, *, is_keeping: bool = True, is_leading: bool = True
) -> AsyncIterator[tuple[Registration, Authorities, asyncio.Event]]:
    leading, authorities = asyncio.Event(), Authorities()
    if is_leading:
        leading.set()
    registration = Registration(
        client, client, leading, NAMESPACE, is_keeping=is_keeping, retry_seconds=0.05
    )
    tasks = [asyncio.create_task(registration.run(authorities))]
    tasks += [asyncio.create_task(mirror.run()) for mirror in registration.mirrors]
    try:
        yield registration, authorities, leading
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.02)


async def _converts_with(client: ApiClient, bundle: str) -> bool:
    conversion = (await client.get(DEFINITIONS, NAME))["spec"]["conversion"]
    if conversion["strategy"] != "Webhook":
        return False
    found = conversion["webhook"]["clientConfig"]
    return bool(found["caBundle"] == encoded(bundle) and found["service"]["path"] == "/convert")


async def _admits_with(client: ApiClient, bundle: str) -> bool:
    [hook] = (await client.get(CONFIGURATIONS, "metallb"))["webhooks"]
    return bool(hook["clientConfig"].get("caBundle") == encoded(bundle))


async def test_both_objects_are_made_to_know_the_authorities_and_again_when_they_change(
    admin: ApiClient,
) -> None:
    await admin.create(DEFINITIONS, _definition())
    await admin.create(CONFIGURATIONS, _configuration())
    async with _running(admin) as (registration, authorities, _leading):
        await _until(lambda: _converts_with(admin, "first"))
        await _until(lambda: _admits_with(admin, "first"))
        authorities.bundle = "second"
        registration.look()
        await _until(lambda: _converts_with(admin, "second"))
        await _until(lambda: _admits_with(admin, "second"))


async def test_a_definition_that_is_installed_anew_is_put_right_at_once(admin: ApiClient) -> None:
    await admin.create(DEFINITIONS, _definition())
    async with _running(admin):
        await _until(lambda: _converts_with(admin, "first"))
        none = {"spec": {"conversion": {"strategy": "None", "webhook": None}}}
        await admin.patch(DEFINITIONS, NAME, none)
        await _until(lambda: _converts_with(admin, "first"))


async def test_where_the_chart_knows_the_authorities_its_object_is_not_touched(
    admin: ApiClient,
) -> None:
    await admin.create(DEFINITIONS, _definition())
    made = await admin.create(CONFIGURATIONS, _configuration())
    async with _running(admin, is_keeping=False):
        await _until(lambda: _converts_with(admin, "first"))
    assert await admin.get(CONFIGURATIONS, "metallb") == made


async def test_only_the_leader_writes(admin: ApiClient) -> None:
    made = await admin.create(DEFINITIONS, _definition())
    async with _running(admin, is_leading=False) as (registration, authorities, leading):
        await registration.definitions.synced.wait()
        await registration.configurations.synced.wait()
        assert (await admin.get(DEFINITIONS, NAME))["spec"] == made["spec"]
        assert authorities.renewals == 0
        leading.set()
        await _until(lambda: _converts_with(admin, "first"))
        assert authorities.renewals


async def test_without_authorities_there_is_nothing_to_tell(admin: ApiClient) -> None:
    made = await admin.create(DEFINITIONS, _definition())
    async with _running(admin) as (registration, authorities, _leading):
        authorities.bundle = ""
        await registration.definitions.synced.wait()
        registration.look()
        await _until(lambda: _at_least(authorities, 2))
        assert (await admin.get(DEFINITIONS, NAME))["spec"] == made["spec"]


async def _at_least(authorities: Authorities, count: int) -> bool:
    return authorities.renewals >= count


async def test_a_write_that_fails_is_tried_again(admin: ApiClient, server: ApiServer) -> None:
    await admin.create(DEFINITIONS, _definition())
    match = Match(verb="patch", resource="customresourcedefinitions.apiextensions.k8s.io")
    server.faults.add("status", match, code=503, count=2)
    async with _running(admin):
        await _until(lambda: _converts_with(admin, "first"))
