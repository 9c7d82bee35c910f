"""The CRD files by themselves: what Deckhouse's linter asks of them, and that the twins agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from module.crds.definitions import (
    CRDS,
    DEFINED,
    FILES,
    OURS,
    SHAPES,
    Document,
    kind_of,
    levels,
    load,
    schema_of,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CYRILLIC = re.compile("[а-яёА-ЯЁ]")
OUR_FILES = [path for path in FILES if load(path)["spec"]["group"] == OURS]
NATIVE_VERSIONS = {
    "IPAddressPool": "v1beta1",
    "L2Advertisement": "v1beta1",
    "BGPAdvertisement": "v1beta1",
    "BGPPeer": "v1beta2",
    "BFDProfile": "v1beta1",
    "Community": "v1beta1",
    "ServiceL2Status": "v1beta1",
    "ServiceBGPStatus": "v1beta1",
    "ConfigurationState": "v1beta1",
}


def twin(path: Path) -> Path:
    return path.with_name(f"doc-ru-{path.name}")


def descriptions(schema: Document) -> Iterator[tuple[str, str]]:
    for path, level in levels(schema):
        if "description" in level:
            yield path, level["description"]


def test_the_kinds_are_those_of_deckhouse_and_metallb() -> None:
    ours = {kind for kind, crd in DEFINED.items() if crd["spec"]["group"] == OURS}
    assert ours == {
        "MetalLoadBalancerClass",
        "MetalLoadBalancerPool",
        "MetalLoadBalancerBGPPeer",
        "MetalLoadBalancerConfiguration",
        "VirtualIP",
        "BGPSession",
    }
    assert {kind: version_of(kind)["name"] for kind in DEFINED if kind not in ours} == (
        NATIVE_VERSIONS
    )
    short = {kind: DEFINED[kind]["spec"]["names"].get("shortNames", []) for kind in ours}
    assert short == {
        "MetalLoadBalancerClass": ["mlbc"],
        "MetalLoadBalancerPool": ["mlbp"],
        "MetalLoadBalancerBGPPeer": ["mlbbp"],
        "MetalLoadBalancerConfiguration": ["mlbconfig"],
        "VirtualIP": ["vip"],
        "BGPSession": ["bgps"],
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_head(path: Path) -> None:
    crd = load(path)
    assert crd["apiVersion"] == "apiextensions.k8s.io/v1"
    names = crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.{crd['spec']['group']}"
    assert path.stem == names["plural"]
    assert crd["metadata"]["labels"]["module"] == "metallb"
    assert crd["metadata"]["labels"]["heritage"] == "deckhouse"
    assert [version["storage"] for version in crd["spec"]["versions"]].count(True) == 1
    for version in crd["spec"]["versions"]:
        assert version["served"] is True
        assert version["subresources"] == {"status": {}}
        assert version["additionalPrinterColumns"][-1]["jsonPath"] == ".metadata.creationTimestamp"
        assert version["storage"] or version["deprecationWarning"]
    kept = crd["metadata"]["labels"].get("backup.deckhouse.io/cluster-config")
    assert kept == (None if names["kind"] in {"VirtualIP", "BGPSession"} else "true")


def test_a_peer_of_the_older_version_is_served_and_needs_no_webhook_to_be_installed() -> None:
    """The controller tells the API server of its webhook when it serves."""
    assert [shape for shape in SHAPES if "/" in shape] == ["BGPPeer/v1beta1"]
    assert "conversion" not in DEFINED["BGPPeer"]["spec"]
    older = schema_of("BGPPeer/v1beta1")["properties"]["spec"]["properties"]
    newer = schema_of("BGPPeer")["properties"]["spec"]["properties"]
    assert older.keys() < newer.keys()
    assert len(older) == 12


@pytest.mark.parametrize("kind", SHAPES)
def test_every_field_says_what_it_is(kind: str) -> None:
    implied = {".apiVersion", ".kind", ".metadata"}
    for path, level in levels(schema_of(kind)):
        assert "type" in level, path
        assert "deprecated" not in level, path
        is_nameless = path.endswith(("[]", "{}"))
        if path not in implied and not is_nameless:
            assert level.get("description", "").strip().endswith("."), path
            assert not CYRILLIC.search(level["description"]), path
        for word in level.get("enum", ()):
            is_native = DEFINED[kind_of(kind)]["spec"]["group"] != OURS
            assert is_native or re.fullmatch("[A-Z][A-Za-z0-9]*", word), (path, word)


@pytest.mark.parametrize("kind", SHAPES)
def test_numbers_of_32_bits_fit(kind: str) -> None:
    for path, level in levels(schema_of(kind)):
        is_wide = level.get("maximum", 0) > 2**31 - 1
        assert not is_wide or level.get("format") == "int64", path
        if re.search("(ASN|localPref)$", path) and level["type"] == "integer":
            assert level["format"] == "int64", path


def test_each_of_our_files_has_a_russian_twin() -> None:
    assert {twin(path) for path in OUR_FILES} == set(CRDS.rglob("doc-ru-*"))


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda path: path.stem)
def test_the_twin_describes_the_same_fields(path: Path) -> None:
    english, russian = load(path)["spec"], load(twin(path))["spec"]
    for here, there in zip(english["versions"], russian["versions"], strict=True):
        assert here["name"] == there["name"]
        described = dict(descriptions(here["schema"]["openAPIV3Schema"]))
        translated = dict(descriptions(there["schema"]["openAPIV3Schema"]))
        assert described.keys() == translated.keys()
        for field, text in translated.items():
            assert CYRILLIC.search(text), field
            quoted = set(re.findall("`([^`]+)`", described[field]))
            assert quoted == set(re.findall("`([^`]+)`", text)), field
        columns = {
            column["name"]: column["description"]
            for column in here["additionalPrinterColumns"]
            if "description" in column
        }
        assert columns.keys() == {c["name"] for c in there.get("additionalPrinterColumns", ())}


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda path: path.stem)
def test_the_twin_holds_nothing_but_descriptions(path: Path) -> None:
    (version,) = load(twin(path))["spec"]["versions"]
    for field, level in levels(version["schema"]["openAPIV3Schema"]):
        more = level.keys() - {"description", "properties", "items", "additionalProperties"}
        assert not more, field
