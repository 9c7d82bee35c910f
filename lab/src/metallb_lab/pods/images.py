"""Images by the references that pods give: only the digest counts.

    registry.example.com/deckhouse/modules/metallb@sha256:… ─► the image of that digest

An image that is not here is waited for, as one that cannot be pulled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from metallb_lab.pods.errors import NotYetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Image(Protocol):
    """What the agent wants to know of an image."""

    @property
    def digest(self) -> str:
        """`sha256:…`."""
        ...

    @property
    def rootfs(self) -> Path:
        """Its root; it is not written to."""
        ...

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """What is run when the pod gives no command."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """Variables that it sets."""
        ...

    @property
    def user(self) -> str:
        """`UID`, `UID:GID`, or nothing: root."""
        ...


class ImageStore:
    """The images of a lab's nodes."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._by_digest = {image.digest: image for image in images}

    def find(self, reference: str) -> Image:
        """Find the image of a reference; raises NotYetError."""
        _, at, digest = reference.partition("@")
        if not at or digest not in self._by_digest:
            raise NotYetError("ErrImagePull", f"image {reference} was not built here")
        return self._by_digest[digest]


def user_of(image: Image) -> tuple[int, int]:
    """Give the user and group of an image; raises NotYetError for names."""
    user, _, group = (image.user or "0").partition(":")
    try:
        return int(user), int(group or 0)
    except ValueError:
        raise NotYetError(
            "CreateContainerConfigError", f"the image's user {image.user!r} is no number"
        ) from None
