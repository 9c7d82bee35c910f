"""The echo function of one session (RFC 5880 §6.4, §6.8.5, §6.8.8, §6.8.9; RFC 5881 §4).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------+---------------+-------------------------------+
    |  version << 5 |  length = 24  |               0               |
    +---------------+---------------+-------------------------------+
    |                       My Discriminator                        |
    +---------------------------------------------------------------+
    |                           sequence                            |
    +---------------------------------------------------------------+
    |                 cookie (64): nobody else knows it             |
    |                                                               |
    +---------------------------------------------------------------+
    |                               0                               |
    +---------------------------------------------------------------+

Its contents are a matter of who sends it. Length and discriminator are where FRR has them, whose
daemon loops back, over IPv6, what is long enough and came with TTL 255.

A peer that advertises that it takes echoes, and yet loops none, must not cost the session: only
when the first has come back is silence a failure, and are control packets slowed down.
How they are addressed is the shell's affair: to the peer, who sends them back, or to ourselves, so
that the peer forwards them as any packet.
"""

from __future__ import annotations

import struct
from typing import Final

from metallb_speaker.bfd.iana import VERSION

ECHO_BYTES: Final = 24
_ECHO: Final = struct.Struct("!BBHIIQI")
_UINT32: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


def discriminator_of(data: bytes) -> int:
    """Read whose echo this is; 0: nobody's."""
    if len(data) != ECHO_BYTES:
        return 0
    return int(_ECHO.unpack_from(data)[3])


class Echo:
    """Echoes of one session; times are monotonic seconds."""

    def __init__(self, discriminator: int, cookie: int) -> None:
        self._discriminator = discriminator
        self._cookie = cookie
        self._sequence = 0
        self._returned = 0
        self.is_proven = False
        """Whether one has come back since the session came up."""
        self.next_at: float | None = None
        """When the next one is to be sent; None: none are."""

    def start(self, now: float) -> None:
        """Begin to send."""
        if self.next_at is None:
            self.next_at = now

    def stop(self) -> None:
        """Send no more."""
        self.next_at = None
        self.is_proven = False

    def has_failed(self, multiplier: int) -> bool:
        """Tell whether so many were sent in a row and none came back.

        Counted, not timed: one who was stalled himself sent none, and that none came back then
        proves nothing.
        """
        return self.is_proven and (self._sequence - self._returned) & _UINT32 >= multiplier

    def make(self, next_at: float) -> bytes:
        """Write the next echo."""
        self.next_at = next_at
        self._sequence = (self._sequence + 1) & _UINT32
        return _ECHO.pack(
            VERSION << 5, ECHO_BYTES, 0, self._discriminator, self._sequence, self._cookie, 0
        )

    def take(self, data: bytes) -> bool:
        """Take one that came back; tells whether it is ours, and newer than the last."""
        first, _, _, discriminator, sequence, cookie, _ = _ECHO.unpack(data)
        ours = (VERSION << 5, self._discriminator, self._cookie)
        is_newer = 0 < (sequence - self._returned) & _UINT32 < _HALF
        is_sent = (self._sequence - sequence) & _UINT32 < _HALF
        if (first, discriminator, cookie) != ours or not is_newer or not is_sent:
            return False
        self._returned, self.is_proven = sequence, True
        return True
