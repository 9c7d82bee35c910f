"""The one exception that a peer's octets can raise: what is to be said to it in a NOTIFICATION."""

from metallb_speaker.bgp.iana import SUBCODES, UNSPECIFIC, ErrorCode, name_of


def describe(code: int, subcode: int) -> str:
    """Name an error in the words of the RFCs: `CEASE/BFD_DOWN`."""
    name = name_of(ErrorCode, code)
    if code not in SUBCODES:
        return name if subcode == UNSPECIFIC else f"{name}/{subcode}"
    if subcode == UNSPECIFIC:
        return f"{name}/UNSPECIFIC"
    return f"{name}/{name_of(SUBCODES[code], subcode)}"


class NotificationError(Exception):
    """The peer broke the protocol: send this NOTIFICATION and close (RFC 4271 §6).

    `data` is what the RFC demands in the Data field; `why` is for our log only.
    """

    def __init__(self, code: int, subcode: int, data: bytes = b"", why: str = "") -> None:
        super().__init__(f"{describe(code, subcode)}: {why}" if why else describe(code, subcode))
        self.code = code
        self.subcode = subcode
        self.data = data
        self.why = why
