from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from metallb_speaker.liveness.paths import LocalLink, Path, Peer, PeerLink, find_paths


def _local(name: str, *addresses: str) -> LocalLink:
    return LocalLink(name, tuple(ip_interface(text) for text in addresses))


def _peer(**links: str) -> Peer:
    return Peer(
        4225,
        tuple(
            PeerLink(name, tuple(ip_address(text) for text in texts.split()))
            for name, texts in links.items()
        ),
    )


ETH0 = _local("eth0", "10.0.0.1/24", "fd00::1/64")
ETH1 = _local("eth1", "10.1.0.1/24")


@pytest.mark.parametrize(
    ("peer", "links", "expected"),
    [
        # each interface of a peer from ours on the same subnet, whatever its name there
        (
            _peer(ens4="10.0.0.2", ens5="10.1.0.2"),
            [ETH0, ETH1],
            [("ens4", "eth0", "10.0.0.2"), ("ens5", "eth1", "10.1.0.2")],
        ),
        # IPv4 before IPv6
        (_peer(a="fd00::2 10.0.0.2"), [ETH0], [("a", "eth0", "10.0.0.2")]),
        (_peer(a="fd00::2"), [ETH0, ETH1], [("a", "eth0", "fd00::2")]),
        # another subnet: by routing, from our first interface of the family
        (_peer(a="10.9.0.2"), [ETH1, ETH0], [("a", "eth0", "10.9.0.2")]),
        # on a subnet of ours by its second address
        (_peer(a="10.9.0.2 10.1.0.2"), [ETH0, ETH1], [("a", "eth1", "10.1.0.2")]),
        # no way
        (_peer(a="fd00::2"), [ETH1], []),
        (_peer(a=""), [ETH0], []),
        (_peer(a="10.0.0.2"), [], []),
    ],
)
def test_the_way_to_each_interface_of_a_peer(
    peer: Peer, links: list[LocalLink], expected: list[tuple[str, str, str]]
) -> None:
    found = find_paths({"n": peer}, links)
    wanted = [
        Path("n", peer_link, local, ip_address(address), 4225)
        for peer_link, local, address in expected
    ]
    assert found == wanted


def test_peers_come_in_the_order_of_their_names() -> None:
    found = find_paths({"b": _peer(a="10.0.0.2"), "a": _peer(a="10.0.0.3")}, [ETH0])
    assert [path.node for path in found] == ["a", "b"]
