"""What an image is made of, as CycloneDX: read from the image itself, not from what was asked for.

Python distributions say who they are in their metadata. The interpreter, the standard library and
the shared libraries came from packages of the base; the base's own records, which lie in its
archive, tell from which. A file that nobody answers for is an error. The same image gives the same
document: its time is that of the image, and its number is made of the image's digest.
"""

from __future__ import annotations

import tarfile
import uuid
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_OID

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from metallb_lab.images.commands import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb_lab.images.store import Image

STATUS = "./var/lib/dpkg/status"
LISTS = "./var/lib/dpkg/info/"
OWN_PACKAGES = ("site-packages", "dist-packages")
COMPILED = "__pycache__"


class Package(NamedTuple):
    """A package of a distribution of Python or Linux."""

    kind: str
    name: str
    version: str

    def component(self) -> Component:
        """Give it in the words of CycloneDX."""
        namespace = "debian" if self.kind == "deb" else None
        url = PackageURL(self.kind, namespace, self.name, self.version)
        return Component(
            type=ComponentType.LIBRARY,
            name=self.name,
            version=self.version,
            purl=url,
            bom_ref=url.to_string(),
        )


class Records:
    """Who put which file into a Debian, read from an archive of it."""

    def __init__(self, archive: Path) -> None:
        self._owners: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        with tarfile.open(archive) as packed:
            for member in packed:
                if member.name == STATUS or is_list(member.name):
                    file = packed.extractfile(member)
                    text = file.read().decode() if file else ""
                    self._read(member.name, text)

    def _read(self, name: str, text: str) -> None:
        if name == STATUS:
            self._versions = dict(versions(text))
            return
        package = PurePosixPath(name).stem.partition(":")[0]
        for line in text.splitlines():
            self._owners[without_usr(line)] = package

    def owner(self, path: PurePosixPath) -> Package | None:
        """Give the package of a file."""
        name = self._owners.get(without_usr(str(path)))
        return Package("deb", name, self._versions[name]) if name else None

    def owner_of_library(self, name: str) -> Package:
        """Give the package of a shared library; raises ImageError."""
        for path, package in self._owners.items():
            if path.endswith(f"/{name}") and path.startswith("/lib"):
                return Package("deb", package, self._versions[package])
        raise ImageError(f"no package of the base has the shared library {name}")


def is_list(name: str) -> bool:
    """Tell whether a file names the files of a package."""
    return name.startswith(LISTS) and name.endswith(".list")


def without_usr(path: str) -> str:
    """Give a path as it was before `/lib` and `/usr/lib` became one."""
    return path.removeprefix("/usr")


def versions(status: str) -> Iterator[tuple[str, str]]:
    """Read names and versions of the installed packages."""
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if "Package" in fields and "Version" in fields:
            yield fields["Package"], fields["Version"]


def python_packages(home: Path) -> set[Package]:
    """List the Python distributions below a home of Python."""
    places = [str(path) for name in OWN_PACKAGES for path in home.glob(f"lib/python3*/{name}")]
    return {
        Package("pypi", item.metadata["Name"].lower().replace("_", "-"), item.version)
        for item in distributions(path=places)
    }


def system_packages(home: Path, records: Records) -> set[Package]:
    """List the packages of the base that interpreter and libraries are from; raises ImageError."""
    found = {records.owner_of_library(path.name) for path in (home / "lib").glob("*.so*")}
    for stdlib in (home / "lib").glob("python3*"):
        found.add(known(records, PurePosixPath("/usr/bin") / stdlib.name))
        for path in stdlib.rglob("*"):
            parts = path.relative_to(stdlib).parts
            if path.is_file() and COMPILED not in parts and parts[0] not in OWN_PACKAGES:
                found.add(known(records, PurePosixPath("/usr/lib", stdlib.name, *parts)))
    return found


def known(records: Records, path: PurePosixPath) -> Package:
    """Give the package of a file; raises ImageError."""
    if package := records.owner(path):
        return package
    raise ImageError(f"no package of the base has the file {path}")


def describe(image: Image, home: Path, records: Records) -> str:
    """Give the document of an image whose Python is at `home`; raises ImageError."""
    whole = Component(
        type=ComponentType.CONTAINER,
        name=image.name,
        version=image.digest,
        bom_ref=image.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.digest.partition(":")[2])],
    )
    packages = python_packages(home) | system_packages(home, records)
    bom = Bom(
        serial_number=uuid.uuid5(NAMESPACE_OID, image.digest),
        metadata=BomMetaData(component=whole, timestamp=image.created_at),
        components=[package.component() for package in sorted(packages)],
    )
    bom.register_dependency(whole, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
