"""Ranks, bits and zones."""

from __future__ import annotations

from hashlib import sha256

from metallb_controller.placement.ring import Ring, Scope


def ring_of(*names: str, salt: str = "class") -> Ring:
    ring = Ring(salt)
    ring.replace(dict.fromkeys(names, ""))
    return ring


def mask_of(ring: Ring, *names: str) -> int:
    return sum(ring.bit[name] for name in names)


def test_rank_is_the_order_of_digests() -> None:
    names = [f"node-{i}" for i in range(50)]
    by_digest = sorted(names, key=lambda name: sha256(f"class#{name}".encode()).digest())
    assert list(ring_of(*names).names) == by_digest


def test_classes_rank_nodes_differently() -> None:
    names = [f"node-{i}" for i in range(50)]
    assert ring_of(*names, salt="a").names != ring_of(*names, salt="b").names


def test_rank_does_not_depend_on_the_sequence_of_nodes() -> None:
    assert ring_of("a", "b", "c").names == ring_of("c", "a", "b").names


def test_bits_number_the_ranks() -> None:
    ring = ring_of("a", "b", "c")
    assert [ring.bit[name] for name in ring.names] == [1, 2, 4]
    assert [ring.slot[name] for name in ring.names] == [0, 1, 2]
    assert ring.all == 7


def test_zones_are_masks_of_their_nodes() -> None:
    ring = Ring("class")
    ring.replace({"a": "east", "b": "west", "c": "east"})
    assert ring.zones == {"east": mask_of(ring, "a", "c"), "west": mask_of(ring, "b")}


def test_replacing_raises_the_epoch_and_forgets_the_lost() -> None:
    ring = ring_of("a", "b")
    epoch = ring.epoch
    ring.replace({"b": ""})
    assert ring.epoch == epoch + 1
    assert (ring.names, ring.bit, ring.all) == (("b",), {"b": 1}, 1)


def test_walk_goes_round() -> None:
    ring = ring_of("a", "b", "c", "d")
    first, second, third, _ = ring.names
    assert ring.after(mask_of(ring, first, third), 1) == third
    assert ring.after(mask_of(ring, first, third), 2) == third
    assert ring.after(mask_of(ring, first, third), 3) == first
    assert ring.after(mask_of(ring, second), 4) == second


def test_each_follows_the_ranks() -> None:
    ring = ring_of("a", "b", "c", "d")
    assert tuple(ring.each(ring.all)) == ring.names
    assert list(ring.each(0)) == []


def test_tails_start_all_over_the_ring() -> None:
    ring = ring_of(*(f"node-{i}" for i in range(10)))
    assert {ring.start(f"vip-{i}") for i in range(200)} == set(range(10))


def test_scope_follows_the_ring() -> None:
    ring = ring_of("a", "b")
    some, every = Scope(ring, frozenset({"b", "c"})), Scope(ring, None)
    assert (some.mask, every.mask) == (mask_of(ring, "b"), ring.all)
    ring.replace(dict.fromkeys("abc", ""))
    assert (some.mask, every.mask) == (mask_of(ring, "b", "c"), ring.all)
