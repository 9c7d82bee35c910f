"""Names of numbers, and of errors."""

import pytest

from metallb_speaker.bgp.errors import NotificationError, describe
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, Afi, Family, name_of


def test_a_number_has_its_name_or_stays_a_number() -> None:
    assert name_of(Afi, 1) == "IPV4"
    assert name_of(Afi, 25) == "25"


@pytest.mark.parametrize(
    ("family", "text"),
    [
        (IPV4_UNICAST, "IPV4/UNICAST"),
        (IPV6_UNICAST, "IPV6/UNICAST"),
        (Family(1, 128), "IPV4/128"),
        (Family(16388, 71), "16388/71"),
    ],
)
def test_a_family_has_a_text(family: Family, text: str) -> None:
    assert str(family) == text


@pytest.mark.parametrize(
    ("code", "subcode", "text"),
    [
        (6, 10, "CEASE/BFD_DOWN"),
        (2, 11, "OPEN_MESSAGE_ERROR/ROLE_MISMATCH"),
        (3, 0, "UPDATE_MESSAGE_ERROR/UNSPECIFIC"),
        (5, 3, "FINITE_STATE_MACHINE_ERROR/UNEXPECTED_MESSAGE_IN_ESTABLISHED"),
        (7, 1, "ROUTE_REFRESH_MESSAGE_ERROR/INVALID_MESSAGE_LENGTH"),
        (4, 0, "HOLD_TIMER_EXPIRED"),
        (8, 0, "SEND_HOLD_TIMER_EXPIRED"),
        (4, 9, "HOLD_TIMER_EXPIRED/9"),
        (6, 77, "CEASE/77"),
        (99, 1, "99/1"),
    ],
)
def test_an_error_is_named_in_the_words_of_the_rfcs(code: int, subcode: int, text: str) -> None:
    assert describe(code, subcode) == text


def test_an_error_tells_what_to_send_and_why() -> None:
    error = NotificationError(3, 1, b"\1", "too long")
    assert (error.code, error.subcode, error.data, error.why) == (3, 1, b"\1", "too long")
    assert str(error) == "UPDATE_MESSAGE_ERROR/MALFORMED_ATTRIBUTE_LIST: too long"
    assert str(NotificationError(4, 0)) == "HOLD_TIMER_EXPIRED"
