"""The module in a cluster of pods: what the platform knows of its images, and its operator.

    async with PodCluster(find_images()) as cluster, operator(cluster) as running:
        await running.converged()

The chart is told to use upstream's build of kube-rbac-proxy: the platform's own is not to be had.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from metallb_lab import images
from metallb_lab.operator import ModuleConfig, ModuleOperator, Patience
from metallb_lab.operator.module import camel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_lab.pods.cluster import PodCluster
    from metallb_lab.pods.images import Image

ROOT = Path(__file__).parents[4]
"""The tree: it is the module."""

PROXY = "kube-rbac-proxy"
IMAGES = ("controller", "speaker", PROXY)
VERSION = 3
"""Version of the settings."""

PATIENCE = Patience(0.5, 5.0)


def find_images() -> dict[str, images.Image]:
    """Find the images that the pods need; raises ImageError when one is not built."""
    return {name: images.find(name) for name in IMAGES}


def shared_values(found: Mapping[str, Image], *, is_ha: bool = True) -> dict[str, Any]:
    """Give what is laid over the platform's values: digests, and that the proxy is upstream's."""
    own = {camel(name): image.digest for name, image in found.items() if name != PROXY}
    return {
        "highAvailability": is_ha,
        "kubeRbacProxyBuild": "Upstream",
        "enabledModules": ["prometheus"],
        "modulesImages": {
            "digests": {"common": {camel(PROXY): found[PROXY].digest}, "metallb": own}
        },
    }


def reference(image: Image) -> str:
    """Name an image as a pod does."""
    return f"registry.example.com/lab@{image.digest}"


def operator(cluster: PodCluster, settings: dict[str, Any] | None = None) -> ModuleOperator:
    """Make the operator that enables the module in a cluster; use as an async context manager."""
    return ModuleOperator(
        cluster.plane.outside_kubeconfig,
        ROOT,
        ModuleConfig(settings=settings or {}, version=VERSION),
        shared=shared_values(cluster.images),
        patience=PATIENCE,
    )
