"""What policy and reflex say to each other: one JSON object a line, over a unix stream socket.

    policy ──► reflex   reset, vip*, synced     the whole table; what is not in it is removed
                        vip, gone               one VIP
                        seen                    that nothing else has changed in the ledger
                        peers                   the roll
                        bfd                     all BFD sessions; those not named are removed
    reflex ──► policy   state, links, peer      what we say of ourselves, our interfaces, peers
                        announced, withdrawn    one VIP
                        conflict
                        bfd_state               one BFD session
                        told                    the end of what is said at once to a new connection
                        counters                what was counted since the last such line

Orders have a version, which grows alike on all nodes: it says how far in the ledger they are.
Orders of one VIP may be ahead of what is *seen*, up to which all of them are known: the answer to a
write of ours, the VIP's status, shows it as it is then, before the watch has come to that.

Either may die and come back: policy then sends the whole table again, and reflex all that it
announces. Lines that cannot be read are a bug of ours and end the connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from metallb_speaker.announce.model import Orders
from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.iana import AuthenticationType, Diagnostic, State
from metallb_speaker.liveness.paths import Peer, PeerLink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb.net.addresses import IPAddress

Line = dict[str, Any]


def encode(line: Line) -> bytes:
    """Write one line."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def decode(data: bytes) -> Line:
    """Read one line; raises ValueError."""
    line = json.loads(data)
    if not isinstance(line, dict) or not isinstance(line.get("do"), str):
        raise ValueError(f"not a line of ours: {data[:80]!r}")
    return line


# -- policy to reflex ------------------------------------------------------------------------------

RESET: Line = {"do": "reset"}


def vip_line(orders: Orders, seen: int = 0) -> Line:
    """Say the orders for a VIP, and how far in the ledger they all are."""
    return {
        "do": "vip",
        "address": str(orders.address),
        "nodes": orders.nodes,
        "interfaces": orders.interfaces,
        "suspended": orders.is_suspended,
        "version": orders.version,
        "seen": seen,
    }


def synced_line(version: int) -> Line:
    """Say that the table is complete, and how far in the ledger it is."""
    return {"do": "synced", "version": version}


def seen_line(version: int) -> Line:
    """Say how far in the ledger the orders that were said are."""
    return {"do": "seen", "version": version}


def orders_of(line: Line) -> Orders:
    """Read the orders for a VIP."""
    return Orders(
        address=ip_address(line["address"]),
        nodes=tuple(line["nodes"]),
        interfaces=tuple(line["interfaces"]),
        is_suspended=bool(line["suspended"]),
        version=int(line["version"]),
    )


def gone_line(address: IPAddress) -> Line:
    """Say that a VIP is in use no more."""
    return {"do": "gone", "address": str(address)}


def peers_line(peers: Mapping[str, Peer]) -> Line:
    """Say the roll."""
    return {
        "do": "peers",
        "peers": {
            node: {
                "port": peer.port,
                "links": [
                    [link.name, [str(item) for item in link.addresses]] for link in peer.links
                ],
            }
            for node, peer in peers.items()
        },
    }


def peers_of(line: Line) -> dict[str, Peer]:
    """Read the roll."""
    return {
        node: Peer(
            port=int(item["port"]),
            links=tuple(
                PeerLink(name, tuple(ip_address(text) for text in addresses))
                for name, addresses in item["links"]
            ),
        )
        for node, item in line["peers"].items()
    }


# -- policy to reflex: BFD -------------------------------------------------------------------------


def bfd_line(configs: Iterable[BFDConfig]) -> Line:
    """Say all BFD sessions that there are to be."""
    return {"do": "bfd", "sessions": [_bfd_session(config) for config in configs]}


def bfd_of(line: Line) -> list[BFDConfig]:
    """Read the BFD sessions."""
    return [
        BFDConfig(
            endpoint=_endpoint_of(item["endpoint"]),
            receive_us=item["receive"],
            transmit_us=item["transmit"],
            multiplier=item["multiplier"],
            is_echo=item["is_echo"],
            echo_us=item["echo"],
            is_passive=item["passive"],
            minimum_ttl=item["minimum_ttl"],
            authentication=_authentication_of(item["authentication"]),
        )
        for item in line["sessions"]
    ]


def _bfd_session(config: BFDConfig) -> Line:
    found = config.authentication
    return {
        "endpoint": _endpoint(config.endpoint),
        "receive": config.receive_us,
        "transmit": config.transmit_us,
        "multiplier": config.multiplier,
        "is_echo": config.is_echo,
        "echo": config.echo_us,
        "passive": config.is_passive,
        "minimum_ttl": config.minimum_ttl,
        "authentication": found
        and [found.type, [[key.id, key.secret.hex()] for key in found.keys]],
    }


def _authentication_of(item: Any) -> Authentication | None:
    if item is None:
        return None
    kind, keys = item
    return Authentication(
        AuthenticationType(kind),
        tuple(AuthenticationKey(number, bytes.fromhex(secret)) for number, secret in keys),
    )


def _endpoint(endpoint: Endpoint) -> list[Any]:
    peer, local, *rest = endpoint
    return [str(peer), local and str(local), *rest]


def _endpoint_of(item: Sequence[Any]) -> Endpoint:
    peer, local, *rest = item
    return Endpoint(ip_address(peer), local and ip_address(local), *rest)


# -- reflex to policy ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BFDStateLine:
    """A BFD session as it is; `at` is when its state changed last, in wall-clock seconds.

    The intervals are those in use, in microseconds; the detection time is 0 while nobody is heard.
    """

    endpoint: Endpoint
    state: State
    diagnostic: Diagnostic
    remote_state: State
    at: float
    transmit_us: int
    detection_us: int

    def to_line(self) -> Line:
        """Write it."""
        return {
            "do": "bfd_state",
            "endpoint": _endpoint(self.endpoint),
            "state": self.state,
            "diagnostic": self.diagnostic,
            "remote_state": self.remote_state,
            "at": self.at,
            "transmit": self.transmit_us,
            "detection": self.detection_us,
        }

    @classmethod
    def of(cls, line: Line) -> BFDStateLine:
        """Read it."""
        return cls(
            endpoint=_endpoint_of(line["endpoint"]),
            state=State(line["state"]),
            diagnostic=Diagnostic(line["diagnostic"]),
            remote_state=State(line["remote_state"]),
            at=line["at"],
            transmit_us=line["transmit"],
            detection_us=line["detection"],
        )


@dataclass(frozen=True, slots=True)
class AnnouncedLine:
    """A VIP that the node announces; `at` is wall-clock seconds, `previous` may be empty."""

    address: IPAddress
    at: float
    reason: str
    previous: str
    outage_seconds: float | None
    interfaces: tuple[str, ...]

    def to_line(self) -> Line:
        """Write it."""
        return {
            "do": "announced",
            "address": str(self.address),
            "at": self.at,
            "reason": self.reason,
            "previous": self.previous,
            "outage": self.outage_seconds,
            "interfaces": self.interfaces,
        }

    @classmethod
    def of(cls, line: Line) -> AnnouncedLine:
        """Read it."""
        return cls(
            address=ip_address(line["address"]),
            at=line["at"],
            reason=line["reason"],
            previous=line["previous"],
            outage_seconds=line["outage"],
            interfaces=tuple(line["interfaces"]),
        )


def withdrawn_line(address: IPAddress, reason: str) -> Line:
    """Say that the node announces a VIP no more."""
    return {"do": "withdrawn", "address": str(address), "reason": reason}


def conflict_line(address: IPAddress, mac: str, interface: str) -> Line:
    """Say that somebody else claims a VIP; with an empty MAC, that nobody does any more."""
    return {"do": "conflict", "address": str(address), "mac": mac, "interface": interface}


def state_line(state: str) -> Line:
    """Say what we say of ourselves."""
    return {"do": "state", "state": state}


def peer_line(node: str, is_alive: bool, reason: str) -> Line:
    """Say that a peer lives, or does no more."""
    return {"do": "peer", "node": node, "alive": is_alive, "reason": reason}


def links_line(links: Iterable[tuple[str, Iterable[IPAddress]]]) -> Line:
    """Say our interfaces and their addresses."""
    return {
        "do": "links",
        "links": [[name, [str(item) for item in found]] for name, found in links],
    }


def counters_line(
    lost: Mapping[str, int],
    dropped_frames: Mapping[str, int],
    dropped_heartbeats: Mapping[str, int],
    heartbeats: Mapping[str, int],
    addresses: Mapping[str, Sequence[int]],
    late_timers: Sequence[int],
    late_seconds: float,
    dropped_bfd: Mapping[str, int],
    bfd: Iterable[tuple[Endpoint, Sequence[int]]],
) -> Line:
    """Say what was counted since the last time; for each address: requests, responses, gratuitous.

    The words of `lost` say what, those of `heartbeats` where to, those of what was dropped why.
    Late timers are counted by `LATENESS_BOUNDS_SECONDS`, and summed up. For each BFD session: the
    counts of `metallb_speaker.bfd.events.Counts`.
    """
    return {
        "do": "counters",
        "lost": lost,
        "dropped_frames": dropped_frames,
        "dropped_heartbeats": dropped_heartbeats,
        "heartbeats": heartbeats,
        "addresses": addresses,
        "late_timers": late_timers,
        "late_seconds": late_seconds,
        "dropped_bfd": dropped_bfd,
        "bfd": [[_endpoint(endpoint), counts] for endpoint, counts in bfd],
    }


def bfd_counts_of(line: Line) -> list[tuple[Endpoint, list[int]]]:
    """Read what was counted of each BFD session."""
    return [(_endpoint_of(item), counts) for item, counts in line["bfd"]]


LATENESS_BOUNDS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of what late timers are counted by; later ones are counted after the last."""

TOLD: Line = {"do": "told"}
