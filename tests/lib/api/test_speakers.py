from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import NodeName
from metallb.api.speakers import HeartbeatLink, Speaker, lease_name, lease_object, read_speaker
from support.objects import lease_of_speaker

LINKS = (HeartbeatLink("eth0", (ip_address("10.0.0.1"), ip_address("fd00::1"))),)


def _speaker(version: str = "") -> Speaker:
    meta = Metadata(ObjectKey("d8-metallb", lease_name("a")), "", version, 0, "", False)
    return Speaker(meta, NodeName("a"), "a_1", 4225, LINKS)


def test_an_entry_is_written_and_read_back() -> None:
    value = lease_object(_speaker("3"), "d8-metallb", "t")
    assert value["metadata"]["resourceVersion"] == "3"
    found = read_speaker(value)
    assert (found.node, found.holder, found.port) == ("a", "a_1", 4225)
    assert found.links == LINKS
    assert found.is_present
    assert found.renewed_at == "t"


def test_a_new_entry_belongs_to_its_node() -> None:
    owner = {"kind": "Node", "name": "a"}
    value = lease_object(_speaker(), "d8-metallb", "t", owner)
    assert value["metadata"]["ownerReferences"] == [owner]
    assert "resourceVersion" not in value["metadata"]


def test_an_entry_without_a_holder_is_nobody() -> None:
    assert not read_speaker(lease_of_speaker("a", holder=None)).is_present
    assert not read_speaker(lease_of_speaker("a", holder="")).is_present


@pytest.mark.parametrize(
    "annotation", ["", "no json", "[]", '{"links": 3}', '{"links":[{"addresses":["x"]}]}']
)
def test_links_that_cannot_be_read_are_left_out(annotation: str) -> None:
    found = read_speaker(lease_of_speaker("a", annotation=annotation))
    assert all(not link.addresses for link in found.links)
    assert found.port == 0
