"""Connections: what is set on their sockets."""

from __future__ import annotations

import socket

import pytest

from metallb.kube.config import Connection
from metallb.kube.connections import AddressInfo, ConnectionPool, SocketFactory

INFO: AddressInfo = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))


def _pool(seconds: float | None, factory: SocketFactory | None = None) -> ConnectionPool:
    return ConnectionPool(Connection("http://x", None, lambda: None), "x", 1, seconds, factory)


def _user_timeout(made: socket.socket) -> int:
    return made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


@pytest.mark.parametrize(("seconds", "found"), [(None, 0), (2.0, 2000), (0.0001, 1)])
def test_the_kernel_is_told_when_to_give_up(seconds: float | None, found: int) -> None:
    with _pool(seconds).open_socket(INFO) as made:
        assert _user_timeout(made) == found
        assert not made.getblocking()


def test_it_is_told_so_of_foreign_sockets_too() -> None:
    asked: list[AddressInfo] = []

    def factory(info: AddressInfo) -> socket.socket:
        asked.append(info)
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    with _pool(1.5, factory).open_socket(INFO) as made:
        assert _user_timeout(made) == 1500
    assert asked == [INFO]


async def test_a_closed_pool_may_be_used_again() -> None:
    pool = _pool(None)
    await pool.close()
    first = pool.session()
    assert pool.session() is first
    await pool.close()
    assert first.closed
    assert pool.session() is not first
    await pool.close()
