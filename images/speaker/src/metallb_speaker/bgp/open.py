"""OPEN (RFC 4271 §4.2), with optional parameters in both forms (RFC 5492 §4, RFC 9072 §2).

```
     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+
    |    Version    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     My Autonomous System      |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |           Hold Time           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                         BGP Identifier                        |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | Opt Param Len |   then parameters: type (1), length (1), value
    +-+-+-+-+-+-+-+-+   or, extended: 255 (1), length of all (2), then
                        parameters: type (1), length (2), value
```

What can be judged without knowing the session is judged here: version, AS 0, hold time 1 and 2,
identifier 0, unknown parameters. Whose AS and identifier they are is the session's question.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.capabilities import (
    Capability,
    FourOctetAs,
    encode_capabilities,
    malformed,
    parse_capabilities,
)
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import (
    AS_TRANS,
    BGP_VERSION,
    TWO_OCTET_AS_MAX,
    ErrorCode,
    OpenSubcode,
    OptionalParameter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIXED: Final = struct.Struct("!BHHIB")
OPEN_BODY_MIN: Final = _FIXED.size
HOLD_SECONDS_MIN: Final = 3
"""RFC 4271 §4.2: "The Hold Time MUST be either zero or at least three seconds"."""

_PARAMETERS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """What a speaker says of itself first.

    `my_as` is the field of two octets; given a larger number, AS_TRANS is sent in its place and
    the number itself has to be in a FourOctetAs capability (RFC 6793 §4.1).
    """

    my_as: int
    hold_seconds: int
    router_id: int
    capabilities: tuple[Capability, ...] = ()

    @property
    def asn(self) -> int:
        """The AS number: that of the capability, or else that of the field."""
        for capability in self.capabilities:
            if isinstance(capability, FourOctetAs):
                return capability.asn
        return self.my_as

    def encode(self) -> bytes:
        """Write the body, without the message header; raises ValueError when it is too long."""
        parameters = _encode_parameters(self.capabilities)
        my_as = self.my_as if self.my_as <= TWO_OCTET_AS_MAX else AS_TRANS
        length = min(len(parameters), _PARAMETERS_MAX)
        return (
            _FIXED.pack(BGP_VERSION, my_as, self.hold_seconds, self.router_id, length) + parameters
        )

    @classmethod
    def parse(cls, body: bytes) -> OpenMessage:
        """Read a body of at least `OPEN_BODY_MIN` octets (the framing sees to that)."""
        version, my_as, hold_seconds, router_id, length = _FIXED.unpack_from(body)
        _check_fixed(version, my_as, hold_seconds, router_id)
        capabilities = tuple(_parse_parameters(length, body[_FIXED.size :]))
        message = cls(my_as, hold_seconds, router_id, capabilities)
        if message.asn == 0:
            raise _error(OpenSubcode.BAD_PEER_AS, why="AS 0 in the capability (RFC 7607 §2)")
        return message


def _error(subcode: OpenSubcode, data: bytes = b"", why: str = "") -> NotificationError:
    return NotificationError(ErrorCode.OPEN_MESSAGE_ERROR, subcode, data, why)


def _check_fixed(version: int, my_as: int, hold_seconds: int, router_id: int) -> None:
    if version != BGP_VERSION:
        # RFC 4271 §6.2: "The Data field is a 2-octet unsigned integer, which indicates the largest,
        # locally-supported version number less than the version the remote BGP peer bid"
        raise _error(
            OpenSubcode.UNSUPPORTED_VERSION_NUMBER,
            BGP_VERSION.to_bytes(2, "big"),
            f"version {version}",
        )
    if my_as == 0:
        raise _error(OpenSubcode.BAD_PEER_AS, why="AS 0 (RFC 7607 §2)")
    if 0 < hold_seconds < HOLD_SECONDS_MIN:
        raise _error(OpenSubcode.UNACCEPTABLE_HOLD_TIME, why=f"{hold_seconds} s")
    if router_id == 0:
        # RFC 6286 §2.1: "a 4-octet, unsigned, non-zero integer"
        raise _error(OpenSubcode.BAD_BGP_IDENTIFIER, why="identifier 0 (RFC 6286 §2.1)")


def _parse_parameters(length: int, data: bytes) -> Iterator[Capability]:
    """Read parameters of either form; the form is told by the first type (RFC 9072 §2)."""
    width = 1
    if length and data and data[0] == OptionalParameter.EXTENDED_LENGTH:
        if len(data) < 3:
            raise malformed("the extended length of the parameters is cut short")
        width, length, data = 2, int.from_bytes(data[1:3], "big"), data[3:]
    if length != len(data):
        raise malformed(f"parameters of {length} octets, but there are {len(data)}")
    at = 0
    while at < length:
        value_at = at + 1 + width
        if value_at > length:
            raise malformed("a parameter without its length")
        end = value_at + int.from_bytes(data[at + 1 : value_at], "big")
        if end > length:
            raise malformed("a parameter overruns the message")
        if data[at] != OptionalParameter.CAPABILITIES:
            raise _error(OpenSubcode.UNSUPPORTED_OPTIONAL_PARAMETER, why=f"type {data[at]}")
        yield from parse_capabilities(data[value_at:end])
        at = end


def _encode_parameters(capabilities: tuple[Capability, ...]) -> bytes:
    """All capabilities in one parameter, as RFC 5492 §4 prefers; extended form if it must be."""
    if not capabilities:
        return b""
    value = encode_capabilities(capabilities)
    if len(value) + 2 <= _PARAMETERS_MAX:
        return bytes((OptionalParameter.CAPABILITIES, len(value))) + value
    parameter = bytes((OptionalParameter.CAPABILITIES,)) + len(value).to_bytes(2, "big") + value
    extended = OptionalParameter.EXTENDED_LENGTH
    return bytes((extended,)) + len(parameter).to_bytes(2, "big") + parameter
