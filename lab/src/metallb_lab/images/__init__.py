"""The images of the module, built on this machine and laid out so that runc can run them.

    python -m metallb_lab.images build

builds each image by buildah from the Dockerfile in the tree, on a Debian that debootstrap made, and
leaves it in the user's cache as a root directory and an OCI layout. The name of its directory there
is the digest of all that went into it, so `find` gives the image of exactly this tree or says that
it is not built; it never builds (tests), `ensure` does (the demo).

    image = find("controller")
    image.rootfs, image.entrypoint, image.env, image.user, image.digest

Limits: Linux, root, buildah and debootstrap (`scripts/setup.py` brings them). A root directory is
shared by all who run it: mount it read-only or lay an overlay over it.
"""

from __future__ import annotations

from metallb_lab.images.building import build, ensure
from metallb_lab.images.commands import ImageError
from metallb_lab.images.recipes import NAMES
from metallb_lab.images.store import Image, find

__all__ = ["NAMES", "Image", "ImageError", "build", "ensure", "find"]
