"""An embedded API server, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.apiclients import client_of, new_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with new_server() as running:
        yield running


@pytest.fixture
async def admin(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with client_of(server) as client:
        yield client


@pytest.fixture
async def alice(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with client_of(server, "alice") as client:
        yield client
