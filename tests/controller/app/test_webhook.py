"""Admission over HTTPS: asked as the API server asks, with a certificate that changes under it."""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from metallb_controller.app.webhook import CertificateError, Webhook
from metallb_lab.apiserver import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "127.0.0.1"


def _write_pair(directory: Path) -> Path:
    """Make an authority and a pair signed by it, replacing what is there; gives the authority."""
    made = directory / "made"
    made.mkdir(parents=True, exist_ok=True)
    certificates.write_serving(made, ["localhost"], [HOST])
    for name, source in (("tls.crt", "cert.pem"), ("tls.key", "key.pem"), ("ca.crt", "ca.pem")):
        new = directory / f".{name}"
        new.write_bytes((made / source).read_bytes())
        os.replace(new, directory / name)
    return directory / "ca.crt"


@asynccontextmanager
async def _running(directory: Path, ready: list[str | None]) -> AsyncIterator[Webhook]:
    webhook = Webhook(HOST, 0, directory, lambda: ready[0])
    await webhook.start()
    try:
        yield webhook
    finally:
        await webhook.stop()


async def _ask(
    webhook: Webhook, authority: Path, method: str, path: str, **rest: Any
) -> tuple[int, Any]:
    context = ssl.create_default_context(cafile=str(authority))
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"https://{HOST}:{webhook.port}{path}", **rest) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text())


def _review(ranges: list[str]) -> dict[str, Any]:
    value = {"kind": "MetalLoadBalancerClass", "spec": {"addressPool": ranges}}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1", "object": value},
    }


async def test_a_wrong_class_is_refused_and_a_right_one_is_not(tmp_path: Path) -> None:
    authority = _write_pair(tmp_path)
    async with _running(tmp_path, [None]) as webhook:
        wrong = await _ask(webhook, authority, "POST", "/validate", json=_review(["ten"]))
        right = await _ask(webhook, authority, "POST", "/validate", json=_review(["10.0.0.1"]))
    assert (wrong[0], wrong[1]["response"]["allowed"]) == (200, False)
    assert ".spec.addressPool[0]" in wrong[1]["response"]["status"]["message"]
    assert right == (200, {**right[1], "response": {"uid": "u-1", "allowed": True}})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}"])
async def test_what_is_no_review_is_a_bad_request(tmp_path: Path, body: bytes) -> None:
    authority = _write_pair(tmp_path)
    async with _running(tmp_path, [None]) as webhook:
        status, _ = await _ask(webhook, authority, "POST", "/validate", data=body)
    assert status == 400


async def test_health_is_told_apart_from_readiness(tmp_path: Path) -> None:
    authority = _write_pair(tmp_path)
    ready: list[str | None] = ["not yet"]
    async with _running(tmp_path, ready) as webhook:
        assert await _ask(webhook, authority, "GET", "/healthz") == (200, "ok\n")
        assert await _ask(webhook, authority, "GET", "/readyz") == (503, "not yet\n")
        ready[0] = None
        assert await _ask(webhook, authority, "GET", "/readyz") == (200, "ok\n")


async def test_a_new_certificate_serves_new_connections(tmp_path: Path) -> None:
    first = tmp_path / "first.crt"
    first.write_bytes(_write_pair(tmp_path).read_bytes())
    async with _running(tmp_path, [None]) as webhook:
        second = _write_pair(tmp_path)
        webhook.look_at_certificate()
        assert (await _ask(webhook, second, "GET", "/healthz"))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _ask(webhook, first, "GET", "/healthz")


async def test_a_certificate_that_cannot_be_read_leaves_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = tmp_path / "first.crt"
    authority.write_bytes(_write_pair(tmp_path).read_bytes())
    async with _running(tmp_path, [None]) as webhook:
        (tmp_path / "tls.crt").write_text("nonsense")
        webhook.look_at_certificate()
        assert "the old one is kept" in caplog.text
        (tmp_path / "tls.key").unlink()
        webhook.look_at_certificate()
        assert (await _ask(webhook, authority, "GET", "/healthz"))[0] == 200


async def test_without_a_certificate_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        await Webhook(HOST, 0, tmp_path, lambda: None).start()
