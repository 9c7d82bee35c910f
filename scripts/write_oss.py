"""Write `oss.yaml`: the third-party software that the images and the hooks' environment hold.

    .venv/bin/python scripts/write_oss.py

What is held comes from `uv.lock`: all that the controller, the speaker and the hooks need at run
time on Linux, with any Python that we support. What it is comes from the packages installed here.
Images also hold an interpreter and shared libraries of the base that they were built in: these
stand in `base_parts`, with the versions in the base of `make module`.
Run it after each change of the lock; tests compare the file with the lock and with the images.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Any

import yaml
from packaging.markers import Marker

from base_parts import BASE_PARTS
from setup import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import PackageMetadata

FILE = ROOT / "oss.yaml"
HEAD = """\
# Third-party software in the images and in the hooks' environment.
# Written by scripts/write_oss.py from uv.lock and scripts/base_parts.py.
"""
ROOTS = (("metallb-controller", ""), ("metallb-speaker", ""), ("metallb", "hooks"))
"""What is shipped: a package of the workspace, and the extra that is asked for."""
PYTHONS = ("3.11", "3.12", "3.13")
LICENSES = {
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "dictdiffer": "MIT",
    "uvloop": "MIT OR Apache-2.0",
}
"""SPDX for what a package says in other words, by its words or by its name."""
HOMES = {"deckhouse": "https://github.com/deckhouse/lib-python"}
"""Homes of packages that do not say theirs."""
LABELS = ("homepage", "home", "source", "source code", "repository", "code", "github")
"""Labels under which packages give their homes, the best ones first."""

Entry = dict[str, str]
Lock = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class OssError(Exception):
    """A package whose licence or home is not known; the message says which."""

    message: str

    def __str__(self) -> str:
        return self.message


def read_lock() -> Lock:
    """Read the packages of the lock by name."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package for package in lock["package"]}


def environment(python: str) -> dict[str, str]:
    """What markers are judged by: Linux, and some Python."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def needs(lock: Lock, name: str, extra: str, python: str) -> Iterator[tuple[str, str]]:
    """Say what a package with an extra needs by itself."""
    package = lock[name]
    if extra:
        yield name, ""
    found = package.get("optional-dependencies", {}).get(extra, []) if extra else None
    for need in package.get("dependencies", []) if found is None else found:
        marker = need.get("marker")
        if marker is None or Marker(marker).evaluate(environment(python)):
            yield from ((need["name"], word) for word in ("", *need.get("extra", ())))


def shipped(lock: Lock) -> dict[str, str]:
    """Name each third-party package that is shipped, with its version."""
    found: set[tuple[str, str]] = set()
    for python in PYTHONS:
        waiting = list(ROOTS)
        seen: set[tuple[str, str]] = set()
        while waiting:
            item = waiting.pop()
            if item not in seen:
                seen.add(item)
                waiting += needs(lock, *item, python)
        found |= seen
    names = sorted({name for name, _ in found})
    return {name: lock[name]["version"] for name in names if "registry" in lock[name]["source"]}


def describe(name: str, version: str) -> Entry:
    """Make the entry of a package; raises OssError."""
    try:
        about = metadata(name)
    except PackageNotFoundError as error:
        raise OssError(f"{name} is shipped but not installed here") from error
    return {
        "id": name,
        "version": version,
        "name": about["Name"],
        "description": about["Summary"],
        "link": link_of(name, about),
        "license": license_of(name, about),
    }


def said_in(about: PackageMetadata, field: str) -> str:
    """Give a field that may be missing."""
    return next(iter(about.get_all(field) or ()), "")


def license_of(name: str, about: PackageMetadata) -> str:
    """Give the licence as SPDX; raises OssError."""
    said = said_in(about, "License-Expression") or said_in(about, "License")
    found = LICENSES.get(name) or LICENSES.get(said, said)
    if not found or found == "UNKNOWN" or "\n" in found:
        raise OssError(f"{name}: {said!r} is no licence; say in LICENSES what it is")
    return found


def link_of(name: str, about: PackageMetadata) -> str:
    """Give the home of a package; raises OssError."""
    urls = dict(url.split(", ", 1) for url in about.get_all("Project-URL") or ())
    by_label = {label.lower().removesuffix(": repo"): url for label, url in urls.items()}
    known = [HOMES.get(name), said_in(about, "Home-page"), *map(by_label.get, LABELS)]
    home = next((url for url in known if url), None)
    if home is None:
        raise OssError(f"{name} does not say where it is from; say in HOMES")
    return home


def entries() -> list[Entry]:
    """Make all entries; raises OssError."""
    locked = [describe(name, version) for name, version in shipped(read_lock()).items()]
    return [*(part.entry() for part in BASE_PARTS), *locked]


def text() -> str:
    """Give the whole file; raises OssError."""
    return HEAD + yaml.safe_dump(entries(), sort_keys=False, width=128, allow_unicode=True)


def main() -> int:
    """Write the file."""
    try:
        FILE.write_text(text())
    except OssError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
