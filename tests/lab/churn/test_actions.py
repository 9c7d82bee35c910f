"""The scripts: the same seed is the same sequence, and all kinds of things happen."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.classes import read_class
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.load_balancer_configurations import read_load_balancer_configuration
from metallb.api.load_balancer_pools import read_load_balancer_pool
from metallb.api.nodes import EXCLUDE_LABEL
from metallb_lab import objects
from metallb_lab.churn.actions import (
    NEIGHBOURS,
    Action,
    Ground,
    PoolScript,
    ServiceScript,
    Verb,
    blows,
    service_key,
    without_nulls,
)
from metallb_lab.churn.agreement import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.kube.client import Resource

COUNT = 600


def services(seed: int, count: int = COUNT) -> list[Action]:
    script = ServiceScript(seed, 0, range(20), Ground(20))
    return [*script.beginning(), *(script.next() for _ in range(count))]


def pools(seed: int) -> list[Action]:
    script = PoolScript(seed, Ground(20))
    return [*script.beginning(), *(script.next() for _ in range(COUNT))]


def texts(actions: list[Action]) -> list[str]:
    return [json.dumps(item.to_object()) for item in actions]


def test_a_seed_is_a_sequence() -> None:
    assert texts(services(1)) == texts(services(1))
    assert texts(services(1)) != texts(services(2))
    assert texts(pools(1)) == texts(pools(1))
    assert texts(pools(1)) != texts(pools(2))


def test_objects_are_created_before_they_are_changed_or_deleted() -> None:
    for actions in (services(3), pools(3)):
        there = {(objects.NAMESPACES, "default"), (objects.NAMESPACES, "other")}
        there |= {(objects.NODES, name) for name in ("n1", "n2", "n3")}
        for action in actions:
            ref = (action.resource, action.name)
            assert (ref in there) is (action.verb is not Verb.CREATE), action
            if action.verb is Verb.DELETE:
                there.remove(ref)
            else:
                there.add(ref)


def test_everything_happens() -> None:
    seen = Counter((item.verb, item.resource.plural) for item in [*services(4), *pools(4)])
    for verb in Verb:
        for plural in (
            "services",
            "ipaddresspools",
            "metalloadbalancerclasses",
            "l2advertisements",
            "metalloadbalancerpools",
            "metalloadbalancerconfigurations",
        ):
            assert seen[verb, plural] > 0, (verb, plural)
    for plural in ("endpointslices", "namespaces", "nodes"):
        assert seen[Verb.PATCH, plural] > 0


def test_nodes_fall_ill_and_come_back() -> None:
    seen: Counter[tuple[str, str | None]] = Counter()
    for item in pools(9):
        if item.resource == objects.NODES and item.body is not None:
            if item.subresource == "status":
                seen.update(
                    (each["type"], each["status"]) for each in item.body["status"]["conditions"]
                )
            else:
                seen.update(item.body["metadata"]["labels"].items())
    wanted = {
        ("Ready", "True"), ("Ready", "False"), ("Ready", "Unknown"),
        ("NetworkUnavailable", "True"), ("NetworkUnavailable", "False"),
        (EXCLUDE_LABEL, ""), (EXCLUDE_LABEL, None), ("rack", "1"), ("rack", None),
    }  # fmt: skip
    assert seen.keys() == wanted


@pytest.mark.parametrize("resource", [objects.IP_ADDRESS_POOLS, objects.POOLS, objects.CLASSES])
def test_pools_are_drained_and_serve_again(resource: Resource) -> None:
    said = {
        item.body["spec"]["disabled"]
        for item in pools(10)
        if item.resource == resource and item.body is not None
    }
    assert said == {True, False}


def test_services_speak_both_dialects() -> None:
    said: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for item in services(5):
        if item.resource == objects.SERVICES and item.body is not None:
            annotations = item.body["metadata"]["annotations"]
            said.update(name for name, text in annotations.items() if text is not None)
            types[item.body["spec"]["type"]] += 1
    assert {name.partition("/")[0] for name in said} == {
        "network.deckhouse.io", "metallb.io", "metallb.universe.tf",
    }  # fmt: skip
    assert len(said) == 12
    assert set(types) == {"LoadBalancer", "ClusterIP"}


def test_a_creation_has_no_nulls_and_a_patch_takes_everything_back() -> None:
    created = [item for item in services(6) if item.verb is Verb.CREATE]
    assert not any("null" in text for text in texts(created))
    patched = next(
        item for item in services(6)
        if item.verb is Verb.PATCH and item.resource == objects.SERVICES
    )  # fmt: skip
    assert patched.body is not None
    assert len(patched.body["metadata"]["annotations"]) == 12


def test_pools_can_be_read() -> None:
    made = [
        item for item in pools(7)
        if item.resource == objects.IP_ADDRESS_POOLS and item.verb is Verb.CREATE
    ]  # fmt: skip
    assert made
    for item in made:
        assert item.body is not None
        assert read_ip_address_pool(item.body).problems == ()


@pytest.mark.parametrize(
    ("resource", "read"),
    [
        (objects.POOLS, read_load_balancer_pool),
        (objects.CONFIGURATIONS, read_load_balancer_configuration),
        (objects.CLASSES, read_class),
    ],
)
def test_objects_of_deckhouse_can_be_read(resource: Resource, read: Callable[..., Any]) -> None:
    made = [item for item in pools(7) if item.resource == resource and item.verb is Verb.CREATE]
    assert made
    for item in made:
        assert read(item.body).problems == ()


def test_blocks_of_addresses_do_not_touch() -> None:
    ground = Ground(10_000)
    last = [ground.address(block, ground.size) for block in range(4)]
    first = [ground.address(block, 0) for block in range(4)]
    numbers = [
        tuple(map(int, text.split("."))) for pair in zip(first, last, strict=True) for text in pair
    ]
    assert numbers == sorted(numbers)
    assert ground.ranges(1, 2, 8) == [
        f"{ground.address(1, 2)}-{ground.address(1, 8)}", "fd64::2:1-fd64::2:4",
    ]  # fmt: skip


def test_services_are_in_two_namespaces() -> None:
    assert {service_key(number)[0] for number in range(NEIGHBOURS)} == {"default", "other"}


def test_nulls_are_left_out_at_any_depth() -> None:
    assert without_nulls({"a": None, "b": {"c": None, "d": [None]}}) == {"b": {"d": [None]}}


def test_blows_are_a_sequence_too() -> None:
    assert list(itertools.islice(blows(1, 2), 9)) == list(itertools.islice(blows(1, 2), 9))
    assert {blow.replica for blow in itertools.islice(blows(1, 2), 40)} == {0, 1}


def test_what_changes_is_told_to_the_reconciler_in_the_end() -> None:
    known = {(kind.group, kind.plural) for kind in KINDS}
    assert {
        (item.resource.group, item.resource.plural) for item in [*services(8), *pools(8)]
    } <= known
