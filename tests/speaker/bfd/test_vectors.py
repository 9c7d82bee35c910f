"""Datagrams that routers sent, recorded on a cable: BIRD 2.0.12 and FRR 8.4.4, at 50 ms x 3, with
the key 7 and the password `secret` where there is one.
"""

from __future__ import annotations

import pytest

from metallb_speaker.bfd.authentication import Authenticator
from metallb_speaker.bfd.config import Authentication, AuthenticationKey
from metallb_speaker.bfd.echo import ECHO_BYTES, discriminator_of
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.iana import AuthenticationType, State
from metallb_speaker.bfd.packet import ControlPacket, decode

BIRD = {
    "2080031868cb0964bbebc47d000f42400000c35000000000": (State.INIT, "", 1_000_000, 0),
    "20d0031868cb0964bbebc47d0000c3500000c35000000000": (State.UP, "F", 50_000, 0),
    "20e0031868cb0964bbebc47d0000c3500000c35000000000": (State.UP, "P", 50_000, 0),
    "20c0031868cb0964bbebc47d0000c3500000c35000000000": (State.UP, "", 50_000, 0),
}
FRR = {
    "20800318c9ac4ecc4a90d429000f4240000f42400000c350": (State.INIT, "", 1_000_000, 0),
    "20e00318c9ac4ecc4a90d4290000c3500000c3500000c350": (State.UP, "P", 50_000, 0),
    "20d00318c9ac4ecc4a90d4290000c3500000c3500000c350": (State.UP, "F", 50_000, 0),
    "22400318c9ac4ecc000000000000c3500000c3500000c350": (State.DOWN, "", 50_000, 2),
    "20000318c9ac4ecc4a90d4290000c3500000c3500000c350": (State.ADMIN_DOWN, "", 50_000, 0),
}
AUTHENTIC = {
    AuthenticationType.SIMPLE_PASSWORD: [
        ("208403219eab582f728dbee9000f42400000c35000000000", "010907736563726574"),
        ("20d403219eab582f728dbee90000c3500000c35000000000", "010907736563726574"),
    ],
    AuthenticationType.KEYED_MD5: [
        (
            "208403308914acea7098dba1000f42400000c35000000000",
            "02180700832c7d47d6666a4b2fc2c2a7a8e00f929a520117",
        ),
        (
            "20d403308914acea7098dba10000c3500000c35000000000",
            "02180700832c7d476e6deafd0bcce035c066817f952ee18c",
        ),
    ],
    AuthenticationType.METICULOUS_KEYED_MD5: [
        (
            "20840330652ba60c5414f9ac000f42400000c35000000000",
            "031807003a04823bb499be93e49553f950d5ddd5c9d6b40f",
        ),
        (
            "20d40330652ba60c5414f9ac0000c3500000c35000000000",
            "031807003a04823c7dbb7beda4c1a4c83fff9119602322cd",
        ),
    ],
    AuthenticationType.KEYED_SHA1: [
        (
            "20840334c21a4c07799d2b97000f42400000c35000000000",
            "041c0700b51a25e4c02502e5ad81500574b21fb5a15da7b800b6ba10",
        ),
        (
            "20d40334c21a4c07799d2b970000c3500000c35000000000",
            "041c0700b51a25e40eb133bc7808285e94410a9cbf700c81090f0ad6",
        ),
    ],
    AuthenticationType.METICULOUS_KEYED_SHA1: [
        (
            "208403343b319dbfa4c721b2000f42400000c35000000000",
            "051c0700a9fb2bae17990c03f45dbfefd928bd121f2719023927c18d",
        ),
        (
            "20d403343b319dbfa4c721b20000c3500000c35000000000",
            "051c0700a9fb2baf39b3c98eae5d4c736fea042e0004124c942409a8",
        ),
    ],
}
"""Packets and their sections, by BIRD, since FRR 8.4 has none; in the order in which they came."""

FRR_ECHO = bytes.fromhex("01180000c9ac4ecc00000000000000000000000000000000")


@pytest.mark.parametrize(("text", "wanted"), [*BIRD.items(), *FRR.items()])
def test_a_recorded_packet_says_what_its_router_meant(
    text: str, wanted: tuple[State, str, int, int]
) -> None:
    found = decode(bytes.fromhex(text))
    assert isinstance(found, ControlPacket)
    flags = "P" * found.is_poll + "F" * found.is_final
    assert (found.state, flags, found.desired_min_tx_us, found.diagnostic) == wanted
    assert (found.detect_multiplier, found.length) == (3, 24)
    assert found.encode().hex() == text


def test_the_recorded_routers_are_told_apart_by_their_echo() -> None:
    for texts, echo_us in ((BIRD, 0), (FRR, 50_000)):
        for text in texts:
            found = decode(bytes.fromhex(text))
            assert isinstance(found, ControlPacket)
            assert found.required_min_echo_rx_us == echo_us


@pytest.mark.parametrize("kind", AuthenticationType)
def test_a_recorded_section_is_authentic(kind: AuthenticationType) -> None:
    right = Authenticator(Authentication(kind, (AuthenticationKey(7, b"secret"),)), 0)
    wrong = Authenticator(Authentication(kind, (AuthenticationKey(7, b"Secret"),)), 0)
    for packet, section in AUTHENTIC[kind]:
        data = bytes.fromhex(packet + section)
        found = decode(data)
        assert isinstance(found, ControlPacket)
        assert (found.is_authenticated, found.length) == (True, len(data))
        assert wrong.why_not(data, 3) is DropReason.AUTHENTICATION_DIGEST
        assert right.why_not(data, 3) is None


def test_an_echo_of_ours_has_its_discriminator_where_frr_has_it() -> None:
    assert len(FRR_ECHO) == ECHO_BYTES
    assert discriminator_of(FRR_ECHO) == 0xC9AC4ECC
