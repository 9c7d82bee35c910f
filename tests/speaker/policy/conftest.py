"""Policy between an embedded API server and a reflex process that is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab.objects import NAMESPACE
from metallb_speaker.settings import Settings
from support.apiclients import client_of, new_server
from support.ledger import Ledger
from support.peers import PlayedReflex
from support.policy import RunningPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    async with new_server() as server, client_of(server) as client:
        made = Ledger(server, client)
        await made.set_up("n1", "n2", "n3")
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        node="n1",
        namespace=NAMESPACE,
        kubeconfig=None,
        key_file=tmp_path / "keys",
        control_socket=tmp_path / "reflex.sock",
    )


@pytest.fixture
async def reflex(settings: Settings) -> AsyncIterator[PlayedReflex]:
    async with PlayedReflex(settings.control_socket) as made:
        yield made


@pytest.fixture
async def running(
    ledger: Ledger, reflex: PlayedReflex, settings: Settings
) -> AsyncIterator[RunningPolicy]:
    async with client_of(ledger.server, "alice") as client:
        made = RunningPolicy(settings, client)
        yield made
        await made.end()
