"""Small pure parts: allocation pools, JSONPath, ages, decoding, negotiation, versions."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_lab.apiserver.ages import human_duration
from metallb_lab.apiserver.decoding import GoTypeError, cleaner
from metallb_lab.apiserver.documents import repeated_keys
from metallb_lab.apiserver.errors import ApiError
from metallb_lab.apiserver.jsonpath import PathError, parse_path
from metallb_lab.apiserver.kinds.allocators import (
    AddressPool,
    Claim,
    FullError,
    PortPool,
    TakenError,
)
from metallb_lab.apiserver.openapi_types import definition_names, shape_of
from metallb_lab.apiserver.registry import version_rank
from metallb_lab.apiserver.representations import negotiate


def test_an_address_pool_gives_each_address_once_and_then_no_more() -> None:
    pool = AddressPool("10.0.0.0/29")
    taken = {pool.pick() for _ in range(6)}
    assert taken == {f"10.0.0.{n}" for n in range(1, 7)}
    with pytest.raises(FullError):
        pool.pick()
    pool.release("10.0.0.3")
    with pytest.raises(TakenError, match="not in the valid range"):
        pool.take("10.0.1.1")
    assert pool.pick() == "10.0.0.3"
    with pytest.raises(TakenError, match="already allocated"):
        pool.take("10.0.0.3")


def test_automatic_picks_leave_the_lower_part_alone() -> None:
    pool = AddressPool("10.96.0.0/16")
    assert all(pool.pick() > "10.96.1.0" for _ in range(500))
    six = AddressPool("fd96::/108")
    assert all(":" in six.pick() for _ in range(50))
    ports = PortPool(30000, 30099)
    assert min(ports.pick() for _ in range(50)) >= 30016


def test_a_claim_gives_back_what_it_took_or_what_it_leaves() -> None:
    pool, ports = AddressPool("10.0.0.0/24"), PortPool()
    pool.take("10.0.0.9")
    claim = Claim()
    claim.address(pool, "10.0.0.5")
    claim.port(ports, 30500)
    claim.leave_address(pool, "10.0.0.9")
    claim.revert()
    pool.take("10.0.0.5")
    ports.take(30500)
    with pytest.raises(TakenError):
        pool.take("10.0.0.9")
    claim.commit()
    pool.take("10.0.0.9")


DOCUMENT = {
    "spec": {"a": 1, "b.c": 2, "l": [{"t": "x", "v": 1}, {"t": "y", "v": 2, "ok": True}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.a", [1]),
        ("{.spec.a}", [1]),
        (".spec['b.c']", [2]),
        (".spec.b\\.c", [2]),
        (".spec.l[0].t", ["x"]),
        (".spec.l[-1].t", ["y"]),
        (".spec.l[*].v", [1, 2]),
        ('.spec.l[?(@.t=="y")].v', [2]),
        (".spec.l[?(@.t!='y')].v", [1]),
        (".spec.l[?(@.ok==true)].v", [2]),
        (".spec.nope.deeper", []),
        (".spec.l[9]", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert parse_path(path).find(DOCUMENT) == found


@pytest.mark.parametrize("path", ["spec.a", ".spec..a", ".l[1:2]", ".l[0,1]", ".a | .b", ""])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(PathError):
        parse_path(path)


def test_ages() -> None:
    shown = [human_duration(s) for s in (-5, 0, 119, 120, 185, 600, 10800, 18060, 100000, 700000)]
    assert shown == ["<invalid>", "0s", "119s", "2m", "3m5s", "10m", "3h", "5h1m", "27h", "8d"]
    assert human_duration(366 * 86400) == "366d"
    assert human_duration(3 * 365 * 86400) == "3y"


def test_decoding_keeps_what_the_type_knows() -> None:
    clean = cleaner(shape_of("", "v1", "Service"))
    unknown: list[str] = []
    body = {"spec": {"ports": [{"port": 1, "x": 2}, None], "selector": {"a": None}, "y": {}}}
    ports = [{"port": 1, "targetPort": 0}, {"port": 0, "targetPort": 0}]
    assert clean(body, unknown) == {
        "metadata": {},
        "spec": {"ports": ports, "selector": {"a": ""}},
        "status": {"loadBalancer": {}},
    }
    assert unknown == ["spec.ports[0].x", "spec.y"]
    for wrong, message in (
        ({"spec": {"ports": {}}}, "object into Go struct field ServiceSpec.spec.ports"),
        (
            {"spec": {"ports": [{"port": "x"}]}},
            "string into Go struct field ServicePort.spec.ports",
        ),
        ({"spec": {"ports": [{"port": 2**31}]}}, "number 2147483648"),
        ({"spec": {"publishNotReadyAddresses": "true"}}, "of type bool"),
        ([], "array into Go value of type v1.Service"),
    ):
        with pytest.raises(GoTypeError) as fault:
            clean(wrong, [])
        assert message in fault.value.message()


def test_zero_values_vanish_or_appear_as_go_writes_them() -> None:
    node = cleaner(shape_of("", "v1", "Node"))
    found = node({"spec": {"unschedulable": False, "podCIDR": "", "taints": []}}, [])
    assert found["spec"] == {}
    assert found["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    slices = cleaner(shape_of("discovery.k8s.io", "v1", "EndpointSlice"))
    body = {"endpoints": [{"addresses": [], "conditions": {"ready": False}, "nodeName": ""}]}
    assert slices(body, [])["endpoints"] == body["endpoints"]  # pointers keep what was written


def test_every_published_kind_can_be_compiled() -> None:
    kinds = [key for key in definition_names() if key[2] not in ("APIGroup", "Status")]
    assert len(kinds) > 100
    for key in kinds:
        cleaner(shape_of(*key))


def test_repeated_keys() -> None:
    assert repeated_keys(b'{"a":1,"b":[{"c":1,"c":2}],"a":3}') == ["b[0].c", "a"]
    assert repeated_keys(b'{"a":{"b":1},"b":1}') == []


def test_versions_in_order() -> None:
    shuffled = ["v1beta1", "v2", "v10", "v1alpha1", "x", "v1", "v2beta1", "v1beta2"]
    assert sorted(shuffled, key=version_rank) == [
        "v10", "v2", "v1", "v2beta1", "v1beta2", "v1beta1", "v1alpha1", "x",
    ]  # fmt: skip


def test_negotiation() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert negotiate(f"{table},application/json", {}).form == "table"
    assert negotiate("application/vnd.kubernetes.protobuf,application/json", {}).form == "object"
    assert negotiate(f"application/json;q=0.5,{table}", {"includeObject": "None"}).include == "None"
    old = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
    assert negotiate(f"{old},application/json", {}).form == "object"
    for bad in ("application/vnd.kubernetes.protobuf", old, "text/html"):
        with pytest.raises(ApiError) as refused:
            negotiate(bad, {})
        assert refused.value.code == 406
