"""Passwords of BGP sessions: from Secrets of the module's namespace."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from metallb.api.meta import ObjectKey
from metallb_speaker.policy.passwords import Password, Passwords, read_password


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"password": base64.b64encode(b"s3cret").decode()}, b"s3cret"),
        ({"password": "%%%"}, None),
        ({"password": ""}, None),
        ({"password": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_secret_has_a_password_or_none(data: Any, found: bytes | None) -> None:
    read = read_password({"metadata": {"name": "s"}, "data": data})
    assert (None if read is None else read.value) == found


def test_a_password_is_in_no_text() -> None:
    assert "s3cret" not in repr(Password(b"s3cret"))


def test_a_secret_of_another_namespace_is_found_by_its_copy() -> None:
    there = {
        ("d8-metallb", "own"): Password(b"own"),
        ("d8-metallb", "bgp-pwd-users-tor"): Password(b"copied"),
        ("d8-metallb", "bgp-pwd-d8-metallb-kept"): Password(b"kept"),
    }
    passwords = Passwords("d8-metallb", there.get)
    assert passwords.of(ObjectKey("d8-metallb", "own")) == b"own"
    assert passwords.of(ObjectKey("", "own")) == b"own"
    assert passwords.of(ObjectKey("users", "tor")) == b"copied"
    assert passwords.of(ObjectKey("d8-metallb", "kept")) == b"kept"
    assert passwords.of(ObjectKey("users", "own")) is None
