"""What an image says that it is made of is what it is made of."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from base_parts import BASE_PARTS
from metallb_lab.images import base, ensure, sbom
from metallb_lab.images.bundle import HOME, HOMES
from write_oss import PYTHONS, needs, read_lock

if TYPE_CHECKING:
    from metallb_lab.images import Image

pytestmark = [pytest.mark.netns, pytest.mark.real, pytest.mark.timeout(900)]

ROOTS = {
    "controller": ("metallb-controller", ""),
    "speaker": ("metallb-speaker", ""),
    "hooks": ("metallb", "hooks"),
}


@pytest.fixture(scope="module")
def records() -> sbom.Records:
    return sbom.Records(base.archive())


@pytest.fixture(scope="module", params=ROOTS)
def described(request: pytest.FixtureRequest, records: sbom.Records) -> tuple[Image, str]:
    image = ensure(str(request.param))
    home = image.rootfs / HOMES.get(image.name, HOME)
    return image, sbom.describe(image, home, records)


def locked(root: tuple[str, str], python: str) -> set[tuple[str, str]]:
    """Name and version of what the lock says that a package needs."""
    lock = read_lock()
    waiting, seen = [root], set[tuple[str, str]]()
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen.add(item)
            waiting += needs(lock, *item, python)
    return {(name, lock[name]["version"]) for name, _ in seen if "registry" in lock[name]["source"]}


def components(text: str, kind: str) -> set[tuple[str, str]]:
    found: list[dict[str, Any]] = json.loads(text)["components"]
    return {(c["name"], c["version"]) for c in found if c["purl"].startswith(f"pkg:{kind}/")}


def test_it_names_every_distribution_of_the_lock_and_nothing_else(
    described: tuple[Image, str],
) -> None:
    image, text = described
    (library,) = (image.rootfs / HOMES.get(image.name, HOME)).glob("lib/python3*")
    python = library.name.removeprefix("python")
    assert python in PYTHONS
    assert components(text, "pypi") == locked(ROOTS[image.name], python)


def test_it_names_what_the_interpreter_and_the_libraries_are_from(
    described: tuple[Image, str],
) -> None:
    image, text = described
    named = {name for name, _ in components(text, "deb")}
    assert {"libssl3", "zlib1g", "libexpat1", "python3.11-minimal"} <= named
    assert ("libc6" in named) == (image.name != "hooks")
    kinds = {c["purl"].partition("/")[0] for c in json.loads(text)["components"]}
    assert kinds == {"pkg:pypi", "pkg:deb"}


def test_what_it_has_of_the_base_is_listed_in_oss_yaml(described: tuple[Image, str]) -> None:
    image, text = described
    listed = {name: part.version for part in BASE_PARTS for name in part.packages}
    found = {name: upstream(version) for name, version in components(text, "deb")}
    assert {name: minor(listed[name]) for name in found} == {
        name: minor(version) for name, version in found.items()
    }
    if image.name == "speaker":
        assert found.keys() == listed.keys()


def upstream(version: str) -> str:
    """`1:1.2.13.dfsg-1` -> `1.2.13`."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    assert found is not None, version
    return found[1]


def minor(version: str) -> list[str]:
    """Debian mends within these."""
    return version.split(".")[:2]


def test_it_says_of_which_image_it_is(described: tuple[Image, str]) -> None:
    image, text = described
    whole = json.loads(text)["metadata"]["component"]
    assert (whole["name"], whole["version"]) == (image.name, image.digest)


def test_it_is_valid(described: tuple[Image, str]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(described[1]) is None


def test_it_is_the_same_each_time(described: tuple[Image, str], records: sbom.Records) -> None:
    image, text = described
    home = image.rootfs / HOMES.get(image.name, HOME)
    assert sbom.describe(image, home, records) == text
