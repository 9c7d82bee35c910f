"""Extended communities in words and octets (RFC 4360 §3, RFC 5668 §2)."""

from __future__ import annotations

import pytest

from metallb.api.extended_communities import extended_community_octets, parse_extended_community


@pytest.mark.parametrize(
    ("text", "canonical", "octets"),
    [
        ("rt:64500:100", "rt:64500:100", "0002fbf400000064"),
        ("rt:064500:4294967295", "rt:64500:4294967295", "0002fbf4ffffffff"),
        ("ro:192.0.2.1:7", "ro:192.0.2.1:7", "0103c00002010007"),
        ("rt:4200000000:65535", "rt:4200000000:65535", "0202fa56ea00ffff"),
    ],
)
def test_it_has_one_form_and_eight_octets(text: str, canonical: str, octets: str) -> None:
    assert parse_extended_community(text) == canonical
    assert extended_community_octets(text).hex() == octets


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no extended community; write rt:64500:100"),
        ("soo:1:2", "is no extended community"),
        ("rt:1", "is no extended community"),
        ("rt:1:2\n", "is no extended community"),
        ("rt:4294967296:1", "4294967296 is more than an AS number can be"),
        ("rt:65536:65536", "the number behind 65536 is at most 65535"),
        ("rt:1:4294967296", "the number behind 1 is at most 4294967295"),
        ("ro:192.0.2.1:65536", "the number behind 192.0.2.1 is at most 65535"),
        ("ro:192.0.2.256:1", "192.0.2.256 is not an IPv4 address"),
        ("ro:1.2:1", "1.2 is not an IPv4 address"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_extended_community(text)
