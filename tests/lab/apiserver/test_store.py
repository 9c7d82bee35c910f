"""The store: versions, order, history, the present undone to a moment of the past."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_lab.apiserver.store import Clock, CompactedError, Event, Key, Store, Table


def body(value: int) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "value": value}


def values(found: Any) -> list[tuple[str, int]]:
    return [(stored.key.name, stored.value["value"]) for stored in found]


def test_versions_are_stamped_and_shared() -> None:
    store = Store()
    first = store.table("a").put(Key("", "x"), body(1))
    second = store.table("b").put(Key("", "x"), body(1))
    assert second.version == first.version + 1 == store.version
    assert second.value["metadata"]["resourceVersion"] == str(second.version)


def test_a_deletion_has_a_version_of_its_own() -> None:
    table = Table(Clock())
    stored = table.put(Key("", "x"), body(1))
    gone = table.remove(Key("", "x"))
    assert gone.version == stored.version + 1
    assert gone.value["metadata"]["resourceVersion"] == str(gone.version)
    assert stored.value["metadata"]["resourceVersion"] == str(stored.version)
    assert table.get(Key("", "x")) is None


def test_subscribers_hear_of_every_change_until_they_stop() -> None:
    table = Table(Clock())
    heard: list[Event] = []
    stop = table.subscribe(heard.append)
    table.put(Key("", "x"), body(1))
    table.put(Key("", "x"), body(2))
    table.remove(Key("", "x"))
    stop()
    table.put(Key("", "y"), body(1))
    assert [event.type for event in heard] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.previous is None for event in heard] == [True, False, False]


def test_history_is_bounded_and_says_so() -> None:
    table = Table(Clock(), limit=3)
    versions = [table.put(Key("", "x"), body(n)).version for n in range(6)]
    assert [event.version for event in table.since(versions[2])] == versions[3:]
    with pytest.raises(CompactedError) as gone:
        table.since(versions[1])
    assert gone.value.oldest == versions[2]
    table.compact()
    assert table.since(versions[-1]) == []
    with pytest.raises(CompactedError):
        table.since(versions[-2])


def test_scans_are_in_order_and_by_namespace() -> None:
    table = Table(Clock())
    for namespace, name in (("b", "1"), ("a", "2"), ("a", "1"), ("ab", "1")):
        table.put(Key(namespace, name), body(0))
    assert [stored.key for stored in table.scan()] == [
        ("a", "1"), ("a", "2"), ("ab", "1"), ("b", "1"),
    ]  # fmt: skip
    assert [stored.key.name for stored in table.scan("a")] == ["1", "2"]
    assert [stored.key for stored in table.scan("a", Key("a", "1"))] == [("a", "2")]
    assert [stored.key for stored in table.scan("", Key("a", "2"))] == [("ab", "1"), ("b", "1")]


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abcd"), st.integers(0, 9)),
        max_size=30,
    )
)
def test_the_past_can_be_seen_again(changes: list[tuple[str, str, int]]) -> None:
    """Whatever was done, a scan at a version shows what a scan then showed."""
    table = Table(Clock())
    snapshots = {table._clock.version: values(table.scan())}
    for operation, name, value in changes:
        key = Key("", name)
        if operation == "put":
            table.put(key, body(value))
        elif table.get(key) is not None:
            table.remove(key)
        snapshots[table._clock.version] = values(table.scan())
    for version, expected in snapshots.items():
        assert values(table.scan_at(version)) == expected
        rest = [pair for pair in expected if pair[0] > "b"]
        assert values(table.scan_at(version, "", Key("", "b"))) == rest
