"""Certificates that change while they serve: mounted by somebody, or kept in a Secret of ours."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.webhook_certificate import (
    LIFETIME,
    OWNER,
    OWNER_LABEL,
    SECRET,
    names_in,
    read_secret,
    secret_object,
)
from metallb.kube.errors import AlreadyExistsError
from metallb.tls.certificates import make_pair
from metallb_controller.app.webhook_certificate import (
    SECRETS,
    CertificateError,
    KeptCertificate,
    MountedCertificate,
    load_pair,
    new_context,
)
from support.certificates import NAMES, PAIR, trusts, write_pair
from support.objects import NAMESPACE
from support.waiting import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from metallb.kube.client import ApiClient

OTHER = make_pair(NAMES, datetime.now(UTC), "")
ENDING = make_pair(names_in(NAMESPACE), datetime.now(UTC) - LIFETIME + timedelta(days=20), "")


class Looks:
    """Counts how often a change was told."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


# ---------------------------------------------------------------- mounted


async def test_a_mounted_certificate_is_taken_in_when_it_changes(tmp_path: Path) -> None:
    context, looks = new_context(), Looks()
    write_pair(tmp_path, PAIR)
    mounted = MountedCertificate(context, tmp_path, looks)
    mounted.load()
    assert (mounted.bundle, looks.count) == (PAIR.ca, 1)
    assert await trusts(PAIR.ca, context)
    mounted.look()
    assert looks.count == 1
    write_pair(tmp_path, OTHER)
    mounted.look()
    assert (mounted.bundle, looks.count) == (OTHER.ca, 2)
    assert await trusts(OTHER.ca, context)
    assert not await trusts(PAIR.ca, context)


async def test_one_that_cannot_be_read_leaves_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = new_context()
    write_pair(tmp_path, PAIR)
    mounted = MountedCertificate(context, tmp_path, Looks())
    mounted.load()
    (tmp_path / "tls.crt").write_text("nonsense")
    mounted.look()
    assert "the old one is kept" in caplog.text
    (tmp_path / "tls.key").unlink()
    mounted.look()
    assert await trusts(PAIR.ca, context)


def test_without_a_certificate_there_is_none_and_without_authorities_no_bundle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = MountedCertificate(new_context(), tmp_path, Looks())
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        mounted.load()
    write_pair(tmp_path, PAIR)
    (tmp_path / "ca.crt").unlink()
    mounted.load()
    assert mounted.bundle == ""
    assert "conversion cannot be offered" in caplog.text


def test_a_pair_that_does_not_fit_is_not_loaded() -> None:
    with pytest.raises(CertificateError):
        load_pair(new_context(), replace(PAIR, key=OTHER.key))


# ---------------------------------------------------------------- kept


@asynccontextmanager
async def _kept(client: ApiClient, looks: Looks | None = None) -> AsyncIterator[KeptCertificate]:
    context = new_context()
    kept = KeptCertificate(context, client, NAMESPACE, looks or Looks())
    kept.load()
    task = asyncio.create_task(kept.run())
    try:
        yield kept
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _secret(client: ApiClient) -> Any:
    return await client.get(SECRETS, SECRET, NAMESPACE)


async def _until_served(kept: KeptCertificate, bundle: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while kept.bundle != bundle:
            await asyncio.sleep(0.01)


async def test_it_serves_before_there_is_a_secret(admin: ApiClient) -> None:
    context = new_context()
    kept = KeptCertificate(context, admin, NAMESPACE, Looks())
    kept.load()
    assert kept.bundle == ""
    assert not await trusts(PAIR.ca, context)  # a handshake all the same


async def test_the_leader_makes_the_secret_and_every_replica_serves_with_it(
    admin: ApiClient, alice: ApiClient
) -> None:
    looks = Looks()
    async with _kept(admin) as leader, _kept(alice, looks) as follower:
        await leader.renew(admin)
        stored = await _secret(admin)
        assert stored["metadata"]["labels"] == {OWNER_LABEL: OWNER}
        assert stored["type"] == "kubernetes.io/tls"
        bundle = base64.b64decode(stored["data"]["ca.crt"]).decode()
        await _until_served(follower, bundle)
        assert leader.bundle == bundle
        assert looks.count
        await leader.renew(admin)
        assert (await _secret(admin))["metadata"] == stored["metadata"]


async def test_one_that_ends_soon_is_renewed_and_its_authority_stays_trusted(
    admin: ApiClient,
) -> None:
    await admin.create(SECRETS, secret_object(ENDING, None), NAMESPACE)
    async with _kept(admin) as kept:
        await _until_served(kept, ENDING.ca)
        await kept.renew(admin)
        pair = read_secret(await _secret(admin)).pair
        assert pair is not None
        assert pair.crt != ENDING.crt
        assert pair.ca.endswith(ENDING.ca)
        await _until_served(kept, pair.ca)


async def test_a_secret_of_somebody_else_is_used_and_left_alone(admin: ApiClient) -> None:
    body = secret_object(ENDING, None)
    body["metadata"]["labels"] = {"heritage": "deckhouse"}
    made = await admin.create(SECRETS, body, NAMESPACE)
    async with _kept(admin) as kept:
        await _until_served(kept, ENDING.ca)
        await kept.renew(admin)
    assert await _secret(admin) == made


async def test_a_secret_that_was_spoilt_is_told_and_made_anew(
    admin: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    spoilt = replace(ENDING, key=OTHER.key)
    await admin.create(SECRETS, secret_object(spoilt, None), NAMESPACE)
    async with _kept(admin) as kept:
        await kept.renew(admin)
        pair = read_secret(await _secret(admin)).pair
        assert pair is not None
        assert pair.key != spoilt.key
        await _until_served(kept, pair.ca)
    assert "what was there before is kept" in caplog.text


async def test_of_two_that_make_it_at_once_one_gives_way(
    admin: ApiClient, alice: ApiClient
) -> None:
    async with _kept(admin) as first, _kept(alice) as second:
        await first.mirror.synced.wait()
        await second.mirror.synced.wait()
        results = await asyncio.gather(
            first.renew(admin), second.renew(alice), return_exceptions=True
        )
        errors = [item for item in results if item is not None]
        assert len(errors) <= 1
        assert all(isinstance(item, AlreadyExistsError) for item in errors)
        pair = read_secret(await _secret(admin)).pair
        assert pair is not None
        await _until_served(first, pair.ca)
        await _until_served(second, pair.ca)


def test_the_context_takes_nothing_older_than_tls_1_2() -> None:
    assert new_context().minimum_version == ssl.TLSVersion.TLSv1_2
