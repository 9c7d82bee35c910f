"""Both API servers, with all CRDs of the module."""

from __future__ import annotations

from contract.conftest import server, session
from module.crds.conftest import defined

__all__ = ["defined", "server", "session"]
