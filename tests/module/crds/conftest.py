"""Both API servers of the contract suite, with all CRDs of the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from contract.api import Api, eventually
from contract.conftest import api, client, server, session
from contract.crds import DEFINITIONS, condition
from module.crds.definitions import DEFINED, path_of

if TYPE_CHECKING:
    from contract.api import Server

__all__ = ["api", "server", "session"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def defined(server: Server) -> None:
    """The CRDs of the module, established."""
    async with client(server) as opened:
        somebody = Api(server, opened, "default")
        for crd in DEFINED.values():
            (await somebody.post(DEFINITIONS, crd)).ok(201)

        async def are_served() -> bool:
            found = (await somebody.get(DEFINITIONS)).ok()["items"]
            if not all(condition(crd, "Established") == "True" for crd in found):
                return False
            answers = [await somebody.get(path_of(somebody, kind)) for kind in DEFINED]
            return all(answer.status == 200 for answer in answers)

        await eventually(are_served)
