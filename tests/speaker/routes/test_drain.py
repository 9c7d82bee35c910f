"""A node leaves in two steps (RFC 8326 §4)."""

from __future__ import annotations

from dataclasses import replace

from metallb.api.meta import Metadata, ObjectKey
from metallb.api.nodes import EXCLUDE_LABEL, Node
from metallb_speaker.routes.drain import NodeDrain, Shown

NODE = Node(
    Metadata(ObjectKey("", "n1"), "", "", 0, "", False),
    {"rack": "a"},
    is_ready=True,
    is_network_available=True,
)
EXCLUDED = replace(NODE, labels={"rack": "a", EXCLUDE_LABEL: ""})


def test_it_asks_for_other_ways_first_and_is_out_later() -> None:
    drain = NodeDrain(3.0)
    assert drain.look(NODE, 0.0) == Shown(NODE)
    assert drain.get_timer() is None
    assert drain.look(EXCLUDED, 10.0) == Shown(NODE, is_draining=True)
    assert drain.get_timer() == 13.0
    other = replace(EXCLUDED, labels={**EXCLUDED.labels, "x": "y"})
    assert drain.look(other, 12.0).node == replace(NODE, labels={"rack": "a", "x": "y"})
    assert drain.look(EXCLUDED, 13.0) == Shown(EXCLUDED)
    assert drain.get_timer() is None
    assert drain.look(EXCLUDED, 20.0) == Shown(EXCLUDED)


def test_it_may_come_back_before_it_is_out() -> None:
    drain = NodeDrain(3.0)
    drain.look(NODE, 0.0)
    drain.look(EXCLUDED, 1.0)
    assert drain.look(NODE, 2.0) == Shown(NODE)
    assert drain.get_timer() is None
    assert drain.look(EXCLUDED, 3.0).is_draining


def test_a_node_that_was_never_in_or_is_lost_has_no_time_for_it() -> None:
    assert NodeDrain(3.0).look(EXCLUDED, 0.0) == Shown(EXCLUDED)
    drain = NodeDrain(3.0)
    drain.look(NODE, 0.0)
    lost = replace(EXCLUDED, is_network_available=False)
    assert drain.look(lost, 1.0) == Shown(lost)
    assert drain.look(EXCLUDED, 2.0) == Shown(EXCLUDED), "it was out already"
    assert drain.look(None, 3.0) == Shown(None)


def test_without_time_it_is_out_at_once() -> None:
    drain = NodeDrain(0.0)
    drain.look(NODE, 0.0)
    assert drain.look(EXCLUDED, 1.0) == Shown(EXCLUDED)
