"""Cutting BFD off, so that neither end's interface notices."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = "{ 3784, 3785, 4784 }"


@contextmanager
def cut(namespace: str, *hooks: str) -> Iterator[None]:
    """Drop all of BFD that comes into a namespace, leaves it or passes it: `input`, `output`,
    `forward`.
    """
    chains = "\n".join(
        f"chain {hook} {{\ntype filter hook {hook} priority 0\nudp dport {PORTS} drop\n}}"
        for hook in hooks
    )
    enter = ("ip", "netns", "exec", namespace, "nft")
    netns.run(*enter, f"table inet cut {{\n{chains}\n}}")
    try:
        yield
    finally:
        netns.run(*enter, "delete table inet cut")
