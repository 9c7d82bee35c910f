"""The images of this very tree, built now unless they are in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab.images import ensure

if TYPE_CHECKING:
    from metallb_lab.images import Image


@pytest.fixture(scope="session")
def images() -> dict[str, Image]:
    return {name: ensure(name) for name in ("controller", "speaker", "kube-rbac-proxy")}


@pytest.fixture(params=["controller", "speaker"])
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    """Each image of the module in turn."""
    return images[str(request.param)]
