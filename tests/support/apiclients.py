"""Clients of an embedded API server in the test's own process, told apart by their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import Connection
from metallb_lab.apiserver import ApiServer, Authenticator

if TYPE_CHECKING:
    from metallb.kube.connections import SocketFactory

USERS = ("admin", "alice", "bob")
CONFIG_MAPS = Resource("", "v1", "configmaps")


def new_server(**options: Any) -> ApiServer:
    """Make a server that knows `USERS`; not yet listening."""
    auth = Authenticator()
    for name in USERS:
        auth.add(name, "system:masters", token=f"{name}-token")
    return ApiServer(auth=auth, bookmark_seconds=0.1, **options)


def client_of(
    server: ApiServer,
    user: str = "admin",
    *,
    unacknowledged_seconds: float | None = None,
    socket_factory: SocketFactory | None = None,
) -> ApiClient:
    """Make a client for a user."""
    return ApiClient(
        Connection(server.url, None, lambda: f"Bearer {user}-token"),
        unacknowledged_seconds=unacknowledged_seconds,
        socket_factory=socket_factory,
    )


def config_map(name: str, **data: str) -> dict[str, Any]:
    """Make a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
