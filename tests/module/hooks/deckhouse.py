"""What Deckhouse's own module leaves in a cluster: a kind, its objects, and the release of them.

From `deckhouse-metallb.md` §3.1: one child for each address of a Service, in its namespace.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import yaml

from metallb_lab import tools

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OLD_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "sdninternall2lbservices.internal.network.deckhouse.io"},
    "spec": {
        "group": "internal.network.deckhouse.io",
        "scope": "Namespaced",
        "names": {"kind": "SDNInternalL2LBService", "plural": "sdninternall2lbservices"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


async def install_old_release(
    kubeconfig: Path, directory: Path, children: Iterable[tuple[str, int]]
) -> None:
    """Release the namespace and the children: names of Services with the children's numbers."""
    templates = directory / "templates"
    templates.mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: metallb\nversion: 0.0.1\n")
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d8-metallb"}},
        *(
            {
                "apiVersion": "internal.network.deckhouse.io/v1alpha1",
                "kind": "SDNInternalL2LBService",
                "metadata": {"name": f"{service}-front-{index}", "namespace": "default"},
                "spec": {"serviceRef": {"name": service, "namespace": "default"}},
            }
            for service, index in children
        ),
    ]
    (templates / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    process = await asyncio.create_subprocess_exec(
        str(tools.find("helm")), "install", "metallb", str(directory),
        "--namespace=d8-system", "--create-namespace", f"--kubeconfig={kubeconfig}",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
