"""With nobody behind the webhook schemas hold, and conditions tell the rest; then it is
there, and its certificate is renewed.

The tests follow each other on one API server.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.webhook_certificate import (
    LIFETIME,
    SECRET,
    names_in,
    read_secret,
    secret_object,
)
from metallb.kube.errors import ApiError
from metallb.tls.certificates import make_pair
from metallb_controller.app.webhook_certificate import SECRETS
from module.templates.rendering import NAMESPACE
from module.webhook.test_admission import native, peer

if TYPE_CHECKING:
    from module.webhook.conftest import Site

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

FIRST = native("IPAddressPool", "first", addresses=["10.8.0.0/24"])
SECOND = native("IPAddressPool", "second", addresses=["10.8.0.128/25", "10.8.1.0/24"])
THIRD = native("IPAddressPool", "third", addresses=["10.8.0.0/28"])

RACK = {"matchLabels": {"rack": "a"}}
ONE_OF = {"key": "rack", "operator": "In", "values": ["a", "b"]}

BY_SCHEMA = [
    pytest.param(peer("odd", "router.example.com"), "peerAddress", id="a peer's address"),
    pytest.param(peer("odd", "10.0.0.1", holdTime="1s"), "holdTime", id="a hold time"),
    pytest.param(peer("odd", "10.0.0.1", dynamicASN="external"), "peerASN", id="two AS numbers"),
    pytest.param(
        native("BGPAdvertisement", "odd", aggregationLength=33), "aggregationLength",
        id="a length",
    ),
    pytest.param(native("BFDProfile", "odd", minimumTtl=255), "minimumTtl", id="a TTL"),
    pytest.param(
        native("IPAddressPool", "odd", addresses=["10.0.0.0/24"], namespaceQuota=0),
        "namespaceQuota", id="a quota",
    ),
    pytest.param(
        native("L2Advertisement", "odd", ipAddressPools=["a", "b", "a"]), "ipAddressPools",
        id="a name twice",
    ),
    pytest.param(
        native("BGPAdvertisement", "odd", nodeSelectors=[RACK, RACK]), "nodeSelectors",
        id="a selector twice",
    ),
    pytest.param(
        peer("odd", "10.0.0.1", nodeSelectors=[{"matchExpressions": [ONE_OF, ONE_OF]}]),
        "matchExpressions", id="an expression twice",
    ),
    pytest.param(
        native("IPAddressPool", "odd", addresses=["10.0.0.0/24"], serviceAllocation={
            "serviceSelectors": [{"matchExpressions": [{**ONE_OF, "values": ["a", "a"]}]}],
        }),
        "values", id="a value twice",
    ),
    pytest.param(
        native("BGPAdvertisement", "odd", communities=["1:2", "1:2"]), "communities",
        id="a community twice",
    ),
    pytest.param(
        native("Community", "odd", communities=[{"name": "x", "value": "1:2"},
                                                {"name": "x", "value": "1:3"}]),
        "communities", id="an alias twice",
    ),
    pytest.param(
        native("BGPAdvertisement", "odd", communities=["large:1:2:4294967296"]),
        "at most 4294967295", id="a large community that is too large",
    ),
    pytest.param(
        native("Community", "odd", communities=[{"name": "x", "value": "large:9999999999:0:0"}]),
        "at most 4294967295", id="an alias of one that is too large",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "field"), BY_SCHEMA)
async def test_1_what_one_object_alone_tells_is_refused_by_its_schema(
    bare: Site, value: Any, field: str
) -> None:
    with pytest.raises(ApiError, match=field) as caught:
        await bare.create(value)
    assert caught.value.status == 422


BY_NONE = [
    pytest.param(
        native("BGPAdvertisement", "right", communities=["large:4294967295:0:00012", "1:2", "far"]),
        id="communities",
    ),
    pytest.param(native("L2Advertisement", "right", nodeSelectors=[RACK, {}]), id="selectors"),
]


@pytest.mark.parametrize("value", BY_NONE)
async def test_1_what_is_right_is_not_refused(bare: Site, value: Any) -> None:
    await bare.create(value, dryRun="All")


async def test_2_the_rest_is_stored_and_told_by_conditions(bare: Site) -> None:
    await bare.create(FIRST)
    await bare.create(SECOND)
    pools = await bare.kinds.resource("IPAddressPool", "metallb.io/v1beta1")

    async def conditions(name: str) -> dict[str, str]:
        status = (await bare.client.get(pools, name, NAMESPACE)).get("status") or {}
        return {item["type"]: item["status"] for item in status.get("conditions") or ()}

    async def is_told() -> bool:
        return all([(await conditions(name)).get("Conflict") == "True" for name in NAMES])

    async with bare.controller(admits=False):
        await bare.until(is_told)


NAMES = ("first", "second")


async def test_3_a_controller_makes_itself_known_and_refuses(bare: Site) -> None:
    async with bare.controller():
        error = await bare.until_refused(lambda: bare.create(THIRD, dryRun="All"))
        assert "first" in error.message
        # two pools that were stored without it: neither is kept from being labelled or deleted
        pools = await bare.kinds.resource("IPAddressPool", "metallb.io/v1beta1")
        label = {"metadata": {"labels": {"a": "b"}}}
        await bare.client.patch(pools, "second", label, namespace=NAMESPACE)
        await bare.delete(SECOND, dryRun="All")


async def test_4_its_certificate_is_renewed_in_time_and_the_api_server_follows(
    bare: Site,
) -> None:
    made = read_secret(await bare.client.get(SECRETS, SECRET, NAMESPACE))
    assert made.is_ours
    began = datetime.now(UTC) - LIFETIME + timedelta(days=20)
    ending = make_pair(names_in(NAMESPACE), began, "")
    body = secret_object(ending, made)
    await bare.client.patch(SECRETS, SECRET, body, namespace=NAMESPACE)

    async def is_renewed() -> bool:
        return (await bare.authorities()).endswith(ending.ca)

    async with bare.controller():
        await bare.until(is_renewed)
        error = await bare.until_refused(lambda: bare.create(THIRD, dryRun="All"))
        assert "first" in error.message
    pair = read_secret(await bare.client.get(SECRETS, SECRET, NAMESPACE)).pair
    assert pair is not None
    assert pair.crt != ending.crt
