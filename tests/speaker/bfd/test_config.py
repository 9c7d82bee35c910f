"""Settings: MetalLB's defaults, and what makes no sense."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from metallb_speaker.bfd.config import Authentication, AuthenticationKey, BFDConfig, Endpoint
from metallb_speaker.bfd.iana import AuthenticationType

PEER = Endpoint(ip_address("10.9.0.1"))


def test_defaults_are_those_of_metallb() -> None:
    found = BFDConfig(PEER)
    assert (found.receive_us, found.transmit_us, found.multiplier) == (300_000, 300_000, 3)
    assert (found.echo_us, found.is_echo, found.is_passive) == (50_000, False, False)
    assert (found.minimum_ttl, found.authentication) == (254, None)


@pytest.mark.parametrize(
    "given",
    [
        {"receive_us": 0},
        {"transmit_us": 2**32},
        {"echo_us": 0},
        {"multiplier": 0},
        {"multiplier": 256},
        {"minimum_ttl": 0},
        {"minimum_ttl": 256},
    ],
)
def test_numbers_that_do_not_fit_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be from 1"):
        BFDConfig(PEER, **given)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ((), "needs a key"),
        ((AuthenticationKey(256, b"x"),), "from 0 to 255"),
        ((AuthenticationKey(1, b""),), "from 1 to 16 bytes"),
        ((AuthenticationKey(1, b"x" * 17),), "from 1 to 16 bytes"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: tuple[AuthenticationKey, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Authentication(AuthenticationType.KEYED_MD5, keys)


def test_sha1_takes_longer_keys() -> None:
    Authentication(AuthenticationType.KEYED_SHA1, (AuthenticationKey(0, b"x" * 20),))


def test_a_secret_is_in_no_text() -> None:
    key = AuthenticationKey(7, b"hush")
    found = BFDConfig(
        PEER, authentication=Authentication(AuthenticationType.SIMPLE_PASSWORD, (key,))
    )
    assert "hush" not in repr(found)
    assert "7" in repr(found)
