"""Framing, and the messages that are not UPDATE."""

from __future__ import annotations

import pytest

from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import (
    IPV4_UNICAST,
    IPV6_UNICAST,
    CeaseSubcode,
    ErrorCode,
    Family,
    MessageType,
    RouteRefreshSubtype,
)
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    Keepalive,
    Message,
    MessageReader,
    Notification,
    RawUpdate,
    RouteRefresh,
    cease,
    encode_notification,
    encode_open,
    encode_route_refresh,
    frame,
    hard_reset,
)
from metallb_speaker.bgp.open import OpenMessage

MARKER = "ff" * 16
OPEN = OpenMessage(65001, 90, 0xC0000201)

MESSAGES: dict[str, tuple[str, Message]] = {
    "RFC 4271 §4.2 OPEN": (f"{MARKER} 001d 01 04 fde9 005a c0000201 00", OPEN),
    "RFC 4271 §4.3 UPDATE": (f"{MARKER} 0017 02 0000 0000", RawUpdate(bytes(4))),
    "RFC 4271 §4.4 KEEPALIVE": (f"{MARKER} 0013 04", Keepalive()),
    "RFC 4271 §4.5 NOTIFICATION": (f"{MARKER} 0017 03 01 02 0012", Notification(1, 2, b"\0\x12")),
    "RFC 4271 §4.5 NOTIFICATION without data": (f"{MARKER} 0015 03 04 00", Notification(4, 0)),
    "RFC 9003 §2 shutdown communication": (
        f"{MARKER} 001b 03 06 02 05 676e697468",
        Notification(6, 2, b"\5gnith"),
    ),
    "RFC 2918 §3 ROUTE-REFRESH": (f"{MARKER} 0017 05 0001 00 01", RouteRefresh(IPV4_UNICAST)),
    "RFC 7313 §3.2 BoRR": (
        f"{MARKER} 0017 05 0002 01 01",
        RouteRefresh(IPV6_UNICAST, RouteRefreshSubtype.BEGINNING),
    ),
    "RFC 7313 §3.2 EoRR": (
        f"{MARKER} 0017 05 0002 02 01",
        RouteRefresh(IPV6_UNICAST, RouteRefreshSubtype.ENDING),
    ),
    "RFC 7313 §5 an unknown subtype, to be ignored": (
        f"{MARKER} 0017 05 4004 ff 47",
        RouteRefresh(Family(16388, 71), 255),
    ),
}

WRONG = {
    # RFC 4271 §6.1 and §4; RFC 7313 §5; RFC 8654 §4
    "marker": (f"00 {MARKER[2:]} 0013 04", 1, 1, ""),
    "end of the marker": (f"{MARKER[2:]} fe 0013 04", 1, 1, ""),
    "length 0": (f"{MARKER} 0000 04", 1, 2, "0000"),
    "length 18": (f"{MARKER} 0012 04", 1, 2, "0012"),
    "length 4097": (f"{MARKER} 1001 02", 1, 2, "1001"),
    "type 0": (f"{MARKER} 0013 00", 1, 3, "00"),
    "type 6": (f"{MARKER} 0013 06", 1, 3, "06"),
    "type 255": (f"{MARKER} 0fff ff", 1, 3, "ff"),
    "a short OPEN": (f"{MARKER} 001c 01", 1, 2, "001c"),
    "a short UPDATE": (f"{MARKER} 0016 02", 1, 2, "0016"),
    "a short NOTIFICATION": (f"{MARKER} 0014 03", 1, 2, "0014"),
    "a long KEEPALIVE": (f"{MARKER} 0014 04", 1, 2, "0014"),
    "a short ROUTE-REFRESH": (f"{MARKER} 0016 05", 1, 2, "0016"),
    "a ROUTE-REFRESH with ORFs": (f"{MARKER} 0018 05 0001 00 01 01", 1, 2, "0018"),
    "a long BoRR": (
        f"{MARKER} 0018 05 0001 01 01 00", 7, 1, f"{MARKER} 0018 05 0001 01 01 00"
    ),
    "an OPEN that is wrong in itself": (f"{MARKER} 001d 01 03 fde9 005a c0000201 00", 2, 1, "0004"),
}  # fmt: skip


def read(data: bytes, max_size: int = 4096) -> list[Message]:
    reader = MessageReader(max_size)
    reader.feed(data)
    return drain(reader)


def drain(reader: MessageReader) -> list[Message]:
    found = []
    while (message := reader.next_message()) is not None:
        found.append(message)
    return found


@pytest.mark.parametrize(("wire", "message"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_read_and_written_as_drawn(wire: str, message: Message) -> None:
    octets = bytes.fromhex(wire)
    assert read(octets) == [message]
    match message:
        case OpenMessage():
            assert encode_open(message) == octets
        case RawUpdate(body):
            assert frame(MessageType.UPDATE, body) == octets
        case Notification():
            assert encode_notification(message) == octets
        case Keepalive():
            assert octets == KEEPALIVE
        case RouteRefresh():
            assert encode_route_refresh(message) == octets


def test_every_type_has_a_vector() -> None:
    assert {bytes.fromhex(wire)[18] for wire, _ in MESSAGES.values()} == set(MessageType)


STREAM = b"".join(bytes.fromhex(wire) for wire, _ in MESSAGES.values())


def test_a_stream_may_be_cut_anywhere() -> None:
    for size in range(1, len(STREAM) + 1):
        reader, found = MessageReader(), []
        for at in range(0, len(STREAM), size):
            reader.feed(STREAM[at : at + size])
            found += drain(reader)
        assert found == [message for _, message in MESSAGES.values()], size


@pytest.mark.parametrize(("wire", "code", "subcode", "data"), WRONG.values(), ids=WRONG)
def test_a_wrong_message_is_told_why(wire: str, code: int, subcode: int, data: str) -> None:
    with pytest.raises(NotificationError) as caught:
        read(KEEPALIVE + bytes.fromhex(wire))
    error = caught.value
    assert (error.code, error.subcode, error.data) == (code, subcode, bytes.fromhex(data))


def test_what_came_before_a_wrong_message_is_read() -> None:
    reader = MessageReader()
    reader.feed(KEEPALIVE + bytes(19))
    assert reader.next_message() == Keepalive()
    for _ in range(2):
        with pytest.raises(NotificationError):
            reader.next_message()


def test_a_wrong_header_is_refused_before_its_message_is_there() -> None:
    """So a peer cannot make us hold more than one message of the largest size."""
    with pytest.raises(NotificationError):
        read(bytes.fromhex(f"{MARKER} ffff 02"))


def test_larger_messages_are_taken_once_both_sides_said_so() -> None:
    """RFC 8654 §4; but not OPEN and KEEPALIVE."""
    reader = MessageReader()
    update = frame(MessageType.UPDATE, bytes(65535 - 19))
    reader.max_size = 65535
    reader.feed(update + KEEPALIVE)
    assert drain(reader) == [RawUpdate(update[19:]), Keepalive()]
    with pytest.raises(NotificationError) as caught:
        read(bytes.fromhex(f"{MARKER} 1001 01"), 65535)
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (1, 2, b"\x10\1")


def test_4096_octets_are_taken_without_a_word() -> None:
    body = bytes(4096 - 19)
    assert read(frame(MessageType.UPDATE, body)) == [RawUpdate(body)]


# ------------------------------------------------------------------ NOTIFICATION


@pytest.mark.parametrize(
    ("subcode", "data", "text"),
    [
        (2, b"\5gnith", "gnith"),
        (4, b"\5gnith", "gnith"),
        (2, "\x02é".encode(), "é"),
        (2, b"\3abcdef", "abc"),
        (3, b"\5gnith", None),
        (2, b"", None),
        (2, b"\0", None),
        (2, b"\6gnith", None),
        (2, b"\2\xc3\x28", None),
    ],
)
def test_the_words_of_an_operator_are_read(subcode: int, data: bytes, text: str | None) -> None:
    assert Notification(6, subcode, data).shutdown_communication == text


def test_only_a_cease_has_words() -> None:
    assert Notification(3, 2, b"\5gnith").shutdown_communication is None


def test_words_of_ours_are_cut_between_characters() -> None:
    """RFC 9003 §2: at most 255 octets."""
    for text, kept in {"gone": "gone", "é" * 200: "é" * 127, "a" * 300: "a" * 255}.items():
        said = cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, text)
        assert said.data[0] == len(said.data) - 1 == len(kept.encode())
        assert said.shutdown_communication == kept


def test_words_that_are_no_utf8_become_what_is() -> None:
    said = cease(CeaseSubcode.ADMINISTRATIVE_RESET, "a\ud800b")
    assert said.shutdown_communication == "a?b"


def test_no_words_where_there_is_no_place_for_them() -> None:
    assert cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN) == Notification(6, 2)
    assert cease(CeaseSubcode.BFD_DOWN, "gone") == Notification(6, 10)


def test_a_hard_reset_carries_its_reason() -> None:
    """RFC 8538 §3.1."""
    reason = cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "bye")
    wrapped = hard_reset(reason)
    assert wrapped == Notification(ErrorCode.CEASE, 9, b"\6\2\3bye")
    assert wrapped.hard_reset_reason == reason
    assert reason.hard_reset_reason is None
    assert Notification(6, 9, b"\6").hard_reset_reason is None


def test_a_notification_is_named() -> None:
    assert str(Notification(6, 2)) == "CEASE/ADMINISTRATIVE_SHUTDOWN"


def test_a_notification_never_exceeds_the_size() -> None:
    error = NotificationError(3, 9, bytes(5000))
    assert len(encode_notification(error)) == 4096
    assert len(encode_notification(error, 65535)) == 5021
