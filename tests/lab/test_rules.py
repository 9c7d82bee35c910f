"""Which pods the rules of a node lead to."""

from __future__ import annotations

import pytest

from metallb_lab import rules
from metallb_lab.topology import Pod

POD = Pod("web", "n1", "", "10.244.1.2", "fd44:1::2", "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dnat to 10.244.1.2:8080", {POD.ipv4}),
        ("dnat to [fd44:1::2]:8080", {POD.ipv6}),
        ("vmap { 0 : goto endpoint-A-default/web/tcp/tcp-80__10.244.1.2/8080 }", {POD.ipv4}),
        ("vmap { 0 : goto endpoint-B-default/web/tcp/tcp-80__fd44.1..2/8080 }", {POD.ipv6}),
        ("10.244.1.2 fd44:1::2", {POD.ipv4, POD.ipv6}),
        ("10.244.1.20 110.244.1.2 10.244.1.2.3 fd44:1::23 afd44:1::2 fd44.1..2a", set()),
        ("", set()),
    ],
)
def test_addresses_are_named_whole_in_any_form(text: str, named: set[str]) -> None:
    assert rules.named(text, POD) == named
