"""The heartbeat on the wire: one UDP datagram, authenticated.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                      magic 0x4D4C4842 "MLHB"                  |
    +---------------+---------------+---------------+---------------+
    |  version = 1  |     state     |   multiplier  |  node length  |
    +---------------+---------------+---------------+---------------+
    |                    interval, microseconds                     |
    +---------------------------------------------------------------+
    |                       incarnation (64)                        |
    |                                                               |
    +---------------------------------------------------------------+
    |                         sequence (64)                         |
    |                                                               |
    +---------------------------------------------------------------+
    |                         challenge (64)                        |
    |                                                               |
    +---------------------------------------------------------------+
    |           echo of your challenge (64), 0: not heard           |
    |                                                               |
    +---------------------------------------------------------------+
    |                   version of the orders (64)                  |
    |                                                               |
    +---------------------------------------------------------------+
    |                      MAC of the link (48)                     |
    |                               +---------------+---------------+
    |                               |  link length  | names ...     |
    +-------------------------------+---------------+               |
    |                node name, link name (UTF-8)                   |
    +---------------+-----------------------------------------------+
    |               HMAC-SHA-256 over all of it, first 128 bits     |
    +---------------------------------------------------------------+

Challenge and echo do for us what My and Your Discriminator do in BFD (RFC 5880 §6.8.6): a sender
that echoes the receiver's challenge has heard it since that was made, so the path works both ways,
and a recording from before proves nothing. Truncation to half the hash is RFC 2104 §5's.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from metallb_speaker.liveness.errors import DropReason

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = 0x4D4C4842
VERSION = 1
TAG_BYTES = 16
NAME_BYTES_LIMIT = 253
_HEADER = struct.Struct("!IBBBBIQQQQQ6sB")
_SHORTEST = _HEADER.size + TAG_BYTES
_LONGEST = _SHORTEST + 2 * NAME_BYTES_LIMIT
_MICROSECONDS = 1_000_000


class NodeState(IntEnum):
    """What a speaker says of itself; the numbers are on the wire."""

    STARTING = 0
    """Listening; announces nothing."""
    JOINING = 1
    """Back after an absence; announces only what nobody else can."""
    READY = 2
    LEAVING = 3
    """Stops; announces until the next one does."""


_STATES = {state.value: state for state in NodeState}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one heartbeat says; `link` is the sender's interface.

    `orders_version` grows with the orders that the sender has heard of, alike on all nodes.
    """

    node: str
    link: str
    state: NodeState
    incarnation: int
    sequence: int
    challenge: int
    echo: int
    interval_seconds: float
    multiplier: int
    mac: bytes = bytes(6)
    orders_version: int = 0


def encode(heartbeat: Heartbeat, key: bytes) -> bytes:
    """Write a heartbeat; raises ValueError when a name is too long."""
    node, link = heartbeat.node.encode(), heartbeat.link.encode()
    if max(len(node), len(link)) > NAME_BYTES_LIMIT:
        raise ValueError(f"names of at most {NAME_BYTES_LIMIT} bytes fit: {heartbeat}")
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        heartbeat.state,
        heartbeat.multiplier,
        len(node),
        round(heartbeat.interval_seconds * _MICROSECONDS),
        heartbeat.incarnation,
        heartbeat.sequence,
        heartbeat.challenge,
        heartbeat.echo,
        heartbeat.orders_version,
        heartbeat.mac,
        len(link),
    )
    body = header + node + link
    return body + _tag(body, key)


def _tag(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:TAG_BYTES]


def decode(data: bytes, keys: Sequence[bytes]) -> Heartbeat | DropReason:
    """Read a heartbeat; any of the keys may have signed it (so that keys can be changed)."""
    if len(data) < _SHORTEST:
        return DropReason.TOO_SHORT
    if len(data) > _LONGEST:
        return DropReason.TOO_LONG
    fields = _HEADER.unpack_from(data)
    magic, version, state, multiplier, node_length, interval_us = fields[:6]
    if magic != MAGIC:
        return DropReason.MAGIC
    if version != VERSION:
        return DropReason.VERSION
    body, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
    if not any(hmac.compare_digest(_tag(body, key), tag) for key in keys):
        return DropReason.AUTHENTICATION
    incarnation, sequence, challenge, echo, orders_version, mac, link_length = fields[6:]
    node_end = _HEADER.size + node_length
    if node_end + link_length != len(body) or not multiplier or not interval_us or not node_length:
        return DropReason.MALFORMED
    if state not in _STATES:
        return DropReason.STATE
    try:
        node, link = body[_HEADER.size : node_end].decode(), body[node_end:].decode()
    except UnicodeDecodeError:
        return DropReason.MALFORMED
    return Heartbeat(
        node=node,
        link=link,
        state=_STATES[state],
        incarnation=incarnation,
        sequence=sequence,
        challenge=challenge,
        echo=echo,
        interval_seconds=interval_us / _MICROSECONDS,
        multiplier=multiplier,
        mac=mac,
        orders_version=orders_version,
    )
