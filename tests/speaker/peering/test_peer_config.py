"""Settings of a peer: what is refused, and what is never shown."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from metallb_speaker.peering import sockets
from metallb_speaker.peering.config import PeerConfig, TcpAoKey
from support.bgp_pair import ours

PEER = PeerConfig(ours(), IPv4Address("192.0.2.2"))
KEY = b"correct horse battery staple"

GOOD: list[dict[str, Any]] = [
    {},
    {"port": 65535},
    {"address": None, "interface": "eth0"},
    {"address": IPv6Address("fe80::1"), "interface": "eth0"},
    {"address": IPv4Address("169.254.1.1")},
    {"source_address": IPv4Address("192.0.2.9")},
    {"ttl_security_hops": 254},
    {"password": b"x" * 80},
]
BAD: dict[str, dict[str, Any]] = {
    "port 0": {"port": 0},
    "port 65536": {"port": 65536},
    "needs its interface": {"address": None},
    "unnumbered peer needs": {"address": IPv6Address("fe80::1")},
    "0.0.0.0 is no address of a peer": {"address": IPv4Address("0.0.0.0")},
    "ff02::1 is no address of a peer": {"address": IPv6Address("ff02::1")},
    "of another family": {"source_address": IPv6Address("2001:db8::1")},
    "exclude each other": {"multihop": True, "ttl_security_hops": 1},
    "255 hops": {"ttl_security_hops": 255},
    "password and a TCP-AO key": {"password": KEY, "tcp_ao": TcpAoKey(1, 1, KEY)},
    "1 to 80 bytes, not 81": {"password": b"x" * 81},
    "1 to 80 bytes, not 0": {"tcp_ao": TcpAoKey(1, 1, b"")},
    "holdTime 1": {"session": ours(hold_seconds=1)},
}


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_good_settings(changes: dict[str, Any]) -> None:
    assert replace(PEER, **changes).check() is None


@pytest.mark.parametrize("says", BAD)
def test_bad_settings_are_refused_in_words(says: str) -> None:
    problem = replace(PEER, **BAD[says]).check()
    assert problem is not None
    assert says in problem


def test_no_secret_is_in_a_repr() -> None:
    assert KEY.decode() not in repr(replace(PEER, password=KEY))
    assert KEY.decode() not in repr(replace(PEER, tcp_ao=TcpAoKey(1, 2, KEY)))


def test_an_interface_that_is_not_there_is_an_error_of_the_kernel() -> None:
    with pytest.raises(OSError, match="interface") as caught:
        sockets.scoped(IPv6Address("fe80::1"), 179, "nosuch0")
    assert "interface" in sockets.words(caught.value)
    assert sockets.scoped(ip_address("fe80::1"), 179, "lo") == ("fe80::1", 179, 0, 1)
    assert sockets.scoped(ip_address("192.0.2.1"), 179, "lo") == ("192.0.2.1", 179)


def test_keys_have_the_layout_of_the_kernel() -> None:
    """`struct tcp_md5sig`, `tcp_ao_add` and `tcp_ao_del` of linux/tcp.h."""
    assert sockets.MD5_KEY.size == 216
    assert sockets.AO_KEY.size == 288
    assert sockets.AO_KEY_GONE.size == 144
