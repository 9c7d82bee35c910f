"""The port of the webhook: asked over HTTPS as the API server asks."""

from __future__ import annotations

import io
import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from metallb.domain.everything import Everything
from metallb_controller.admission.reviews import answer, question_of
from metallb_controller.admission.verdicts import judge
from metallb_controller.app.webhook import Webhook
from metallb_controller.app.webhook_certificate import load_pair, new_context
from support.certificates import HOST, PAIR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _review(review: Any) -> dict[str, Any]:
    question = question_of(review)
    return answer(question, judge(question, Everything(), "d8-metallb"))


@asynccontextmanager
async def _running(ready: list[str | None]) -> AsyncIterator[Webhook]:
    context = new_context()
    load_pair(context, PAIR)
    webhook = Webhook(HOST, 0, context, _review, lambda: ready[0])
    assert webhook.port == 0
    await webhook.start()
    try:
        yield webhook
    finally:
        await webhook.stop()


async def _ask(webhook: Webhook, method: str, path: str, **rest: Any) -> tuple[int, Any]:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=PAIR.ca))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"https://{HOST}:{webhook.port}{path}", **rest) as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


def _question(ranges: list[str]) -> dict[str, Any]:
    value = {"kind": "MetalLoadBalancerClass", "spec": {"addressPool": ranges}}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1", "object": value},
    }


async def test_a_wrong_class_is_refused_and_a_right_one_is_not() -> None:
    async with _running([None]) as webhook:
        wrong = await _ask(webhook, "POST", "/validate", json=_question(["ten"]))
        right = await _ask(webhook, "POST", "/validate", json=_question(["10.0.0.1"]))
    assert (wrong[0], wrong[1]["response"]["allowed"]) == (200, False)
    assert ".spec.addressPool[0]" in wrong[1]["response"]["status"]["message"]
    assert right == (200, {**right[1], "response": {"uid": "u-1", "allowed": True}})


async def test_versions_are_converted_by_the_thousand() -> None:
    peer = {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": "r", "annotations": {"note": "x" * 1000}},
        "spec": {"myASN": 64512},
    }
    request = {"uid": "u-1", "desiredAPIVersion": "metallb.io/v1beta1", "objects": [peer] * 10_000}
    review = {"apiVersion": "apiextensions.k8s.io/v1", "request": request}
    async with _running([None]) as webhook:
        body = io.BytesIO(json.dumps(review).encode())
        status, found = await _ask(webhook, "POST", "/convert", data=body)
    assert (status, found["response"]["result"]) == (200, {"status": "Success"})
    assert len(found["response"]["convertedObjects"]) == 10_000


@pytest.mark.parametrize("path", ["/validate", "/convert"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}"])
async def test_what_is_no_review_is_a_bad_request(path: str, body: bytes) -> None:
    async with _running([None]) as webhook:
        status, _ = await _ask(webhook, "POST", path, data=body)
    assert status == 400


async def test_health_is_told_apart_from_readiness() -> None:
    ready: list[str | None] = ["not yet"]
    async with _running(ready) as webhook:
        assert await _ask(webhook, "GET", "/healthz") == (200, "ok\n")
        assert await _ask(webhook, "GET", "/readyz") == (503, "not yet\n")
        ready[0] = None
        assert await _ask(webhook, "GET", "/readyz") == (200, "ok\n")
