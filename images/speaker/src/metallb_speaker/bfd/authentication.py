"""The authentication section (RFC 5880 §6.7), made and checked for one session.

    simple password   | Type 1 | Length | Key ID |  password, 1 to 16 bytes
    MD5 and SHA1      | Type   | Length | Key ID | reserved |  sequence (32)  |  digest, 16 or 20

The digest is over the whole packet with the key, filled up with zeros, in its place. The sequence
number protects against replay: a keyed type takes the last one again and up to three multipliers
beyond it, a meticulous one only those beyond.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING, Final

from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import AuthenticationType
from metallb_speaker.bfd.packet import PACKET_BYTES

if TYPE_CHECKING:
    from metallb_speaker.bfd.config import Authentication, AuthenticationKey

_HEADER: Final = struct.Struct("!BBBBI")
_SIMPLE_HEADER_BYTES: Final = 3
_DIGEST_AT: Final = PACKET_BYTES + _HEADER.size
_METICULOUS: Final = frozenset(
    {AuthenticationType.METICULOUS_KEYED_MD5, AuthenticationType.METICULOUS_KEYED_SHA1}
)
_MD5: Final = frozenset({AuthenticationType.KEYED_MD5, AuthenticationType.METICULOUS_KEYED_MD5})
_UINT32: Final = 0xFFFF_FFFF
_WINDOW: Final = 3
"""§6.7.3: "the range of bfd.RcvAuthSeq to bfd.RcvAuthSeq+(3*Detect Mult) inclusive"."""


class Authenticator:
    """Both directions of one session; `sequence` is the first number to be sent, by chance."""

    def __init__(self, config: Authentication, sequence: int) -> None:
        self._type = config.type
        self._signer = config.keys[0]
        self._keys = {key.id: key for key in config.keys}
        self._is_simple = config.type is AuthenticationType.SIMPLE_PASSWORD
        self._is_meticulous = config.type in _METICULOUS
        self._digest_bytes = 16 if config.type in _MD5 else 20
        self._transmit_sequence = sequence & _UINT32
        self._receive_sequence: int | None = None
        """bfd.RcvAuthSeq, or None while bfd.AuthSeqKnown is 0."""

    @property
    def section_bytes(self) -> int:
        """How long the section is that we send."""
        if self._is_simple:
            return _SIMPLE_HEADER_BYTES + len(self._signer.secret)
        return _HEADER.size + self._digest_bytes

    @property
    def is_repeatable(self) -> bool:
        """Whether a packet may be sent again, and taken again, as it is."""
        return not self._is_meticulous

    def forget(self) -> None:
        """Take any sequence number next; the peer has been silent long enough."""
        self._receive_sequence = None

    # -- sending -----------------------------------------------------------------------------------

    def sign(self, packet: bytes, *, is_new: bool) -> bytes:
        """Append the section; `is_new` tells that the packet says something else than the last."""
        key = self._signer
        if self._is_simple:
            return packet + bytes((self._type, self.section_bytes, key.id)) + key.secret
        # §6.7.3: Keyed "MAY be incremented", and SHOULD "when the session state changes, or when
        # the transmitted BFD Control packet carries different contents"; Meticulous MUST each time
        if is_new or self._is_meticulous:
            self._transmit_sequence = (self._transmit_sequence + 1) & _UINT32
        header = _HEADER.pack(self._type, self.section_bytes, key.id, 0, self._transmit_sequence)
        return packet + header + self._digest(packet + header, key)

    def _digest(self, before: bytes, key: AuthenticationKey) -> bytes:
        whole = before + key.secret.ljust(self._digest_bytes, b"\0")
        if self._digest_bytes == 16:
            return hashlib.md5(whole, usedforsecurity=False).digest()
        return hashlib.sha1(whole, usedforsecurity=False).digest()

    # -- receiving ---------------------------------------------------------------------------------

    def why_not(self, packet: bytes, multiplier: int) -> DropReason | None:
        """Tell why a packet (cut to its length) is not authentic; None: it is."""
        kind, length = packet[PACKET_BYTES : PACKET_BYTES + 2]
        if kind != self._type:
            return DropReason.AUTHENTICATION_TYPE
        is_right = (
            length > _SIMPLE_HEADER_BYTES if self._is_simple else length == self.section_bytes
        )
        if not is_right or length != len(packet) - PACKET_BYTES:
            return DropReason.AUTHENTICATION_LENGTH
        key = self._keys.get(packet[PACKET_BYTES + 2])
        if key is None:
            return DropReason.AUTHENTICATION_KEY
        if not self._is_simple:
            return self._why_not_digest(packet, key, multiplier)
        is_right = hmac.compare_digest(packet[PACKET_BYTES + _SIMPLE_HEADER_BYTES :], key.secret)
        return None if is_right else DropReason.AUTHENTICATION_DIGEST

    def _why_not_digest(
        self, packet: bytes, key: AuthenticationKey, multiplier: int
    ) -> DropReason | None:
        sequence = _HEADER.unpack_from(packet, PACKET_BYTES)[4]
        if self._receive_sequence is not None:
            ahead = (sequence - self._receive_sequence) & _UINT32
            if not int(self._is_meticulous) <= ahead <= _WINDOW * multiplier:
                return DropReason.AUTHENTICATION_SEQUENCE
        if not hmac.compare_digest(packet[_DIGEST_AT:], self._digest(packet[:_DIGEST_AT], key)):
            return DropReason.AUTHENTICATION_DIGEST
        self._receive_sequence = sequence
        return None
