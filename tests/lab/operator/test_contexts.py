from __future__ import annotations

import json
from typing import Any

from metallb_lab.operator.contexts import Reason, binding_contexts
from metallb_lab.operator.hook_config import HookConfig, read_config
from metallb_lab.operator.monitors import Watched, WatchEvent

FOUND: dict[str, list[dict[str, Any]]] = {
    "a": [{"filterResult": 1}],
    "b": [],
    "c": [{"object": {"x": 1}}],
}


def _config(**groups: str) -> HookConfig:
    bindings = [
        {"name": name, "kind": "Pod", **({"group": groups[name]} if name in groups else {})}
        for name in FOUND
    ]
    return read_config(json.dumps({"configVersion": "v1", "kubernetes": bindings}))


def _contexts(*reasons: Reason, **groups: str) -> list[dict[str, Any]]:
    return binding_contexts(_config(**groups), reasons, FOUND)


def test_the_start_has_no_snapshots() -> None:
    assert _contexts(Reason("onStartup")) == [{"binding": "onStartup"}]


def test_moments_of_helm_see_all_snapshots() -> None:
    assert _contexts(Reason("beforeHelm")) == [{"binding": "beforeHelm", "snapshots": FOUND}]
    assert _contexts(Reason("afterDeleteHelm"))[0]["snapshots"] == FOUND


def test_a_schedule_sees_only_what_it_names() -> None:
    assert _contexts(Reason("tick", "Schedule")) == [{"binding": "tick", "type": "Schedule"}]
    assert _contexts(Reason("tick", "Schedule", include=("b",))) == [
        {"binding": "tick", "type": "Schedule", "snapshots": {"b": []}}
    ]


def test_a_synchronization_has_the_objects() -> None:
    assert _contexts(Reason("a", "Synchronization")) == [
        {"binding": "a", "type": "Synchronization", "objects": [{"filterResult": 1}]}
    ]


def test_an_event_has_its_object() -> None:
    event = WatchEvent("Deleted", Watched({"x": 1}, None, has_filter=False))
    assert _contexts(Reason("c", "Event", include=("a",), event=event)) == [
        {
            "binding": "c",
            "type": "Event",
            "watchEvent": "Deleted",
            "object": {"x": 1},
            "snapshots": {"a": FOUND["a"]},
        }
    ]
    filtered = WatchEvent("Added", Watched(None, None, has_filter=True))
    assert _contexts(Reason("a", "Event", event=filtered)) == [
        {"binding": "a", "type": "Event", "watchEvent": "Added", "filterResult": None}
    ]


GROUP = {
    "binding": "g",
    "type": "Group",
    "groupName": "g",
    "snapshots": {"a": FOUND["a"], "b": []},
}


def test_a_group_hides_what_happened_and_shows_all_its_snapshots() -> None:
    event = WatchEvent("Added", Watched(None, 1, has_filter=True))
    for kind in ("Synchronization", "Event", "Schedule"):
        reason = Reason("a", kind, group="g", event=event if kind == "Event" else None)
        assert _contexts(reason, a="g", b="g") == [GROUP]


def test_reasons_in_a_row_of_one_group_are_one_context() -> None:
    in_group = [Reason(name, "Event", group="g") for name in ("a", "b", "a")]
    assert _contexts(*in_group, a="g", b="g") == [GROUP]
    apart = _contexts(in_group[0], Reason("beforeHelm"), in_group[1], a="g", b="g")
    assert [item["binding"] for item in apart] == ["g", "beforeHelm", "g"]
    plain = _contexts(Reason("tick", "Schedule"), Reason("tick", "Schedule"))
    assert len(plain) == 2
