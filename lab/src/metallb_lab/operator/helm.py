"""The release of a module, by the real helm (deckhouse-platform.md §3.4).

The release is named after the module and lives in the operator's own namespace. The whole module
directory is the chart; CRDs are not Helm's business; objects that exist are taken over. A new
revision is made only when the checksum of what was rendered has changed, when the last revision
did not end well, or when an object of it is missing. The checksum is a label of the release.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metallb.kube.client import Resource
from metallb.kube.errors import NotFoundError
from metallb_lab.operator.errors import ReleaseError
from metallb_lab.operator.hook_files import run_process
from metallb_lab.operator.kinds import UnknownKindError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.kube.client import ApiClient
    from metallb_lab.operator.kinds import Kinds

Document = dict[str, Any]

OPERATOR_NAMESPACE = "d8-system"
CHECKSUM_LABEL = "moduleChecksum"
CHECKSUM_CHARACTERS = 40
LIMIT_SECONDS = 180.0
SECRETS = Resource("", "v1", "secrets")


@dataclass(frozen=True, slots=True)
class Revision:
    """The last revision of a release."""

    number: int
    status: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What helm is given."""

    release: str
    directory: Path
    key: str
    """Key of the module's values."""


class Release:
    """One release."""

    def __init__(
        self,
        chart: Chart,
        helm: Path,
        kubeconfig: Path,
        client: ApiClient,
        kinds: Kinds,
        environment: Mapping[str, str],
    ) -> None:
        self._chart = chart
        self._helm = helm
        self._client = client
        self._kinds = kinds
        self._environment = {**environment, "KUBECONFIG": str(kubeconfig)}
        self.manifest = ""
        """What was rendered last."""

    # -- what there is -------------------------------------------------------------------------

    async def revision(self) -> Revision | None:
        """Find the last revision, from the Secrets in which Helm keeps them."""
        answer = await self._client.request(
            "GET",
            SECRETS.path(OPERATOR_NAMESPACE),
            params={"labelSelector": f"owner=helm,name={self._chart.release}"},
        )
        found = [
            Revision(
                int(item["metadata"]["labels"]["version"]),
                item["metadata"]["labels"]["status"],
                item["metadata"]["labels"].get(CHECKSUM_LABEL, ""),
            )
            for item in answer["items"]
        ]
        return max(found, key=lambda item: item.number, default=None)

    async def absent(self, manifest: str) -> list[str]:
        """Name the objects of a manifest that are not there."""
        missing = []
        for item in objects_of(manifest):
            meta = item["metadata"]
            try:
                resource = await self._kinds.resource(item["kind"], item["apiVersion"])
                await self._client.get(resource, meta["name"], meta.get("namespace", ""))
            except (NotFoundError, UnknownKindError):
                missing.append(f"{item['kind']}/{meta['name']}")
        return missing

    # -- what is done --------------------------------------------------------------------------

    async def upgrade(self, values: Document) -> bool:
        """Install or upgrade if there is need; tell whether there was. Raises ReleaseError."""
        manifest = self.manifest = await self.render(values)
        checksum = checksum_of(manifest)
        last = await self.revision()
        is_same = last is not None and (last.status, last.checksum) == ("deployed", checksum)
        if is_same and not await self.absent(manifest):
            return False
        if last is not None and last.status.startswith("pending"):
            await self._forget(last)
        await self._run_upgrade(values, f"--labels={CHECKSUM_LABEL}={checksum}")
        return True

    async def render(self, values: Document) -> str:
        """Render against the live server; raises ReleaseError."""
        answer = json.loads(await self._run_upgrade(values, "--dry-run=server", "--output=json"))
        return str(answer["manifest"])

    async def uninstall(self) -> None:
        """Remove the release; raises ReleaseError."""
        await self._run("uninstall", self._chart.release, "--ignore-not-found")

    async def _run_upgrade(self, values: Document, *words: str) -> str:
        given = {"global": values["global"], self._chart.key: values[self._chart.key]}
        with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="values-") as file:
            json.dump(given, file)
            file.flush()
            return await self._run(
                "upgrade",
                self._chart.release,
                str(self._chart.directory),
                "--install",
                "--skip-crds",
                "--take-ownership",
                f"--values={file.name}",
                *words,
            )

    async def _run(self, *words: str) -> str:
        command = [str(self._helm), *words, f"--namespace={OPERATOR_NAMESPACE}"]
        code, out, error = await run_process(
            command, Path(tempfile.gettempdir()), self._environment, LIMIT_SECONDS
        )
        if code != 0:
            raise ReleaseError(f"helm {words[0]}: {error.strip() or out.strip()}")
        return out

    async def _forget(self, revision: Revision) -> None:
        """Take away a revision that was begun and never ended, as the operator does."""
        name = f"sh.helm.release.v1.{self._chart.release}.v{revision.number}"
        await self._client.delete(SECRETS, name, OPERATOR_NAMESPACE)


def objects_of(manifest: str) -> list[Document]:
    """Read the objects of a manifest."""
    return [item for item in yaml.load_all(manifest, Loader=yaml.CSafeLoader) if item]


def checksum_of(manifest: str) -> str:
    """Give the checksum of what was rendered, whatever the order of files."""
    documents = sorted(json.dumps(item, sort_keys=True) for item in objects_of(manifest))
    return hashlib.sha256("\n".join(documents).encode()).hexdigest()[:CHECKSUM_CHARACTERS]
