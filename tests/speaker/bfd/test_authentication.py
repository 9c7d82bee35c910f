"""The authentication section: its bytes, and what is not authentic (RFC 5880 §6.7)."""

from __future__ import annotations

import hashlib

import pytest

from metallb_speaker.bfd.authentication import Authenticator
from metallb_speaker.bfd.config import Authentication, AuthenticationKey
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import AuthenticationType, State
from metallb_speaker.bfd.packet import AUTHENTICATION_PRESENT, ControlPacket

KEY, OTHER = AuthenticationKey(7, b"secret"), AuthenticationKey(8, b"another")
DIGESTS = {
    AuthenticationType.KEYED_MD5: 16,
    AuthenticationType.METICULOUS_KEYED_MD5: 16,
    AuthenticationType.KEYED_SHA1: 20,
    AuthenticationType.METICULOUS_KEYED_SHA1: 20,
}
METICULOUS = (AuthenticationType.METICULOUS_KEYED_MD5, AuthenticationType.METICULOUS_KEYED_SHA1)
KEYED = (AuthenticationType.KEYED_MD5, AuthenticationType.KEYED_SHA1)


def make(kind: AuthenticationType, *keys: AuthenticationKey, sequence: int = 100) -> Authenticator:
    return Authenticator(Authentication(kind, keys or (KEY,)), sequence)


def packet(authenticator: Authenticator) -> bytes:
    length = 24 + authenticator.section_bytes
    return ControlPacket(
        0, State.UP, AUTHENTICATION_PRESENT, 3, length, 1, 2, 50_000, 50_000, 0
    ).encode()


def signed(authenticator: Authenticator, *, is_new: bool = True) -> bytes:
    return authenticator.sign(packet(authenticator), is_new=is_new)


def test_a_simple_password_is_written_as_the_rfc_draws_it() -> None:
    found = signed(make(AuthenticationType.SIMPLE_PASSWORD))
    assert found[3] == len(found) == 33
    assert found[24:] == bytes((1, 9, 7)) + b"secret"


@pytest.mark.parametrize(("kind", "size"), DIGESTS.items())
def test_a_digest_is_written_as_the_rfc_draws_it(kind: AuthenticationType, size: int) -> None:
    found = signed(make(kind))
    assert found[3] == len(found) == 32 + size
    assert found[24:32] == bytes((kind, 8 + size, 7, 0)) + (101).to_bytes(4, "big")
    algorithm = hashlib.md5 if size == 16 else hashlib.sha1
    assert found[32:] == algorithm(found[:32] + b"secret".ljust(size, b"\0")).digest()


@pytest.mark.parametrize("kind", AuthenticationType)
def test_what_one_signs_the_other_takes_with_any_of_its_keys(kind: AuthenticationType) -> None:
    receiver = make(kind, OTHER, KEY)
    assert receiver.why_not(signed(make(kind)), 3) is None
    assert receiver.is_repeatable is (kind not in METICULOUS)


@pytest.mark.parametrize("kind", AuthenticationType)
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (24, DropReason.AUTHENTICATION_TYPE),
        (25, DropReason.AUTHENTICATION_LENGTH),
        (26, DropReason.AUTHENTICATION_KEY),
        (-1, DropReason.AUTHENTICATION_DIGEST),
    ],
)
def test_a_changed_section_is_not_authentic(
    kind: AuthenticationType, at: int, reason: DropReason
) -> None:
    data = bytearray(signed(make(kind)))
    data[at] ^= 0x80
    assert make(kind).why_not(bytes(data), 3) is reason


@pytest.mark.parametrize("kind", DIGESTS)
def test_a_changed_packet_is_not_authentic(kind: AuthenticationType) -> None:
    for at in range(24):
        data = bytearray(signed(make(kind)))
        data[at] ^= 0x01
        assert make(kind).why_not(bytes(data), 3) is DropReason.AUTHENTICATION_DIGEST


@pytest.mark.parametrize("kind", AuthenticationType)
def test_a_section_that_is_cut_off_is_not_authentic(kind: AuthenticationType) -> None:
    whole = signed(make(kind))
    for size in range(26, len(whole)):
        assert make(kind).why_not(whole[:size], 3) is DropReason.AUTHENTICATION_LENGTH


def test_an_empty_password_is_none() -> None:
    sender = make(AuthenticationType.SIMPLE_PASSWORD)
    data = packet(sender) + bytes((1, 3, 7))
    assert sender.why_not(data, 3) is DropReason.AUTHENTICATION_LENGTH


@pytest.mark.parametrize("kind", KEYED)
def test_keyed_sequence_grows_with_news_and_may_repeat(kind: AuthenticationType) -> None:
    sender, receiver = make(kind), make(kind)
    first, again = signed(sender), signed(sender, is_new=False)
    assert first == again
    assert receiver.why_not(first, 3) is None
    assert receiver.why_not(again, 3) is None
    assert receiver.why_not(signed(sender), 3) is None
    assert receiver.why_not(first, 3) is DropReason.AUTHENTICATION_SEQUENCE


@pytest.mark.parametrize("kind", METICULOUS)
def test_meticulous_sequence_grows_each_time(kind: AuthenticationType) -> None:
    sender, receiver = make(kind), make(kind)
    first, second = signed(sender), signed(sender, is_new=False)
    assert receiver.why_not(first, 3) is None
    assert receiver.why_not(first, 3) is DropReason.AUTHENTICATION_SEQUENCE
    assert receiver.why_not(second, 3) is None


@pytest.mark.parametrize("kind", DIGESTS)
@pytest.mark.parametrize("multiplier", [1, 3])
def test_the_window_is_three_multipliers_wide_and_wraps(
    kind: AuthenticationType, multiplier: int
) -> None:
    start = 2**32 - 2
    for ahead in range(-2, 3 * multiplier + 3):
        receiver = make(kind)
        assert receiver.why_not(signed(make(kind, sequence=start)), multiplier) is None
        found = receiver.why_not(signed(make(kind, sequence=start + ahead)), multiplier)
        least = int(kind in METICULOUS)
        assert (found is None) is (least <= ahead <= 3 * multiplier), ahead


def test_a_forged_packet_does_not_move_the_window() -> None:
    kind = AuthenticationType.METICULOUS_KEYED_SHA1
    receiver, sender = make(kind), make(kind)
    assert receiver.why_not(signed(sender), 3) is None
    forged = bytearray(signed(make(kind, sequence=105)))
    forged[-1] ^= 1
    assert receiver.why_not(bytes(forged), 3) is DropReason.AUTHENTICATION_DIGEST
    assert receiver.why_not(signed(sender), 3) is None


def test_after_long_silence_any_sequence_is_taken() -> None:
    kind = AuthenticationType.KEYED_SHA1
    receiver = make(kind)
    assert receiver.why_not(signed(make(kind, sequence=9000)), 3) is None
    restarted = signed(make(kind, sequence=5))
    assert receiver.why_not(restarted, 3) is DropReason.AUTHENTICATION_SEQUENCE
    receiver.forget()
    assert receiver.why_not(restarted, 3) is None
