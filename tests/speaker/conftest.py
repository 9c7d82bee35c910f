"""A cable: two namespaces joined by a veth pair, for shells that need a real kernel.

`near` is ours: tests that take it run with this thread inside, so that every socket they make is
there. `far` is everybody else's; scapy builds and decodes its frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.instance import Instance
from support.cable import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cable() -> Iterator[Cable]:
    """Make a cable between two namespaces."""
    with Instance() as instance:
        made = Cable(instance)
        yield made
        made.close()


@pytest.fixture
def near(cable: Cable) -> Iterator[Cable]:
    """Make a cable and be at its near end."""
    with netns.inside(cable.near.namespace):
        yield cable
