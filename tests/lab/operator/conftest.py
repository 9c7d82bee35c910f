from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.operator.modules import ModuleTree
from metallb.kube.client import ApiClient
from metallb.kube.config import load_connection
from metallb_lab.apiserver import ApiServer
from metallb_lab.operator.kinds import Kinds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> ModuleTree:
    return ModuleTree(tmp_path)


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """A kubeconfig of the embedded API server."""
    async with ApiServer() as server:
        path = tmp_path / "kubeconfig"
        path.write_text(server.kubeconfig())
        yield path


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    async with ApiClient(load_connection(str(kubeconfig))) as opened:
        yield opened


@pytest.fixture
def kinds(client: ApiClient) -> Kinds:
    return Kinds(client)
