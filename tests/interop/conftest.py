"""Our end of a cable, with a router at the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from metallb_lab import netns
from metallb_lab.instance import Instance
from support.cable import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Site:
    """A cable; this thread is inside its near end."""

    instance: Instance
    cable: Cable

    @property
    def namespace(self) -> str:
        """Where the router is."""
        return self.cable.far.namespace


@pytest.fixture
def site() -> Iterator[Site]:
    """Make a cable and be at its near end."""
    with Instance() as instance:
        cable = Cable(instance)
        with netns.inside(cable.near.namespace):
            yield Site(instance, cable)
        cable.close()
