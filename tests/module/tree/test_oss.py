"""`oss.yaml` lists what `uv.lock` says is shipped and what the base gives, no more and no less."""

from __future__ import annotations

import re

import pytest
import yaml

from write_oss import FILE, OssError, describe, entries, read_lock, shipped

LISTED = yaml.safe_load(FILE.read_text())


def test_the_list_is_that_of_the_lock() -> None:
    assert entries() == LISTED, "run scripts/write_oss.py"


def test_every_entry_is_whole() -> None:
    for entry in LISTED:
        assert entry.keys() == {"id", "version", "name", "description", "link", "license"}
        assert all(entry.values()), entry
        assert re.fullmatch(r"https?://\S+", entry["link"]), entry
        assert re.fullmatch(r"[A-Za-z0-9.()+ -]+", entry["license"]), entry


def test_what_is_shipped_is_found_through_extras_and_markers() -> None:
    found = shipped(read_lock())
    assert {
        "aiohttp",
        "orjson",
        "prometheus-client",
        "pyroute2",
        "uvloop",
    } <= found.keys()  # images
    assert {"deckhouse", "jsonschema", "cryptography"} <= found.keys()  # hooks
    assert not {"pytest", "scapy", "winloop", "colorama", "metallb"} & found.keys()


def test_licences_that_would_bind_the_whole_are_not_shipped() -> None:
    """Not so: a library under the LGPL that is linked at run time, or a GPL that says so itself."""
    free = re.compile(r"^LGPL|^GPL\S* WITH GCC-exception-3\.1$| OR ")
    bound = [e["id"] for e in LISTED if "GPL" in e["license"] and not free.search(e["license"])]
    assert bound == []


def test_a_package_that_is_not_here_is_named() -> None:
    with pytest.raises(OssError, match="no-such-package is shipped but not installed"):
        describe("no-such-package", "1")
