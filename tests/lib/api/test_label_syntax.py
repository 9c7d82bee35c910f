from __future__ import annotations

import pytest

from metallb.api.label_syntax import is_label_key, is_label_value, is_object_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("role", True),
        ("node-role.deckhouse.io/frontend", True),
        ("A_b.c-1", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("/x", False),
        ("x/", False),
        ("UPPER.example/x", False),
        ("a/b/c", False),
        ("-a", False),
        ("a b", False),
        ("x\n", False),
        ("d." * 126 + "d/x", True),
        ("d." * 127 + "d/x", False),
    ],
)
def test_keys(text: str, expected: bool) -> None:
    assert is_label_key(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("a", True), ("1.2_3-x", True), ("-", False), ("a" * 64, False), ("a\n", False)],
)
def test_values(text: str, expected: bool) -> None:
    assert is_label_value(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b-1", True), ("", False), ("A", False), ("a..b", False), ("a" * 254, False)],
)
def test_names(text: str, expected: bool) -> None:
    assert is_object_name(text) is expected
