"""What is refused on the real API server (metallb.md §7, §8.8.68), and what holds without us."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from metallb.kube.errors import ApiError
from module.templates.rendering import NAMESPACE

if TYPE_CHECKING:
    from module.webhook.conftest import Site

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

OURS = "objects.metallb.network.deckhouse.io"


def native(kind: str, name: str, *, namespace: str = NAMESPACE, **spec: Any) -> dict[str, Any]:
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": meta, "spec": spec}


def peer(name: str, address: str, **spec: Any) -> dict[str, Any]:
    return native("BGPPeer", name, myASN=64512, peerASN=64513, peerAddress=address, **spec)


def nodes(label: str) -> list[dict[str, Any]]:
    return [{"matchLabels": {"kubernetes.io/hostname": label}}]


POOL = native("IPAddressPool", "first", addresses=["1.1.1.0/28"])
ADVERTISED = native("BGPAdvertisement", "fine", ipAddressPools=["first"], aggregationLength=28)
PEER = peer("router", "10.0.0.1", nodeSelectors=nodes("a"), bfdProfile="fast")
PROFILE = native("BFDProfile", "fast")
ALIASES = native("Community", "names", communities=[{"name": "far", "value": "64512:1"}])
PRESENT = [POOL, ADVERTISED, PROFILE, PEER, ALIASES]

REFUSED = [
    pytest.param(
        native("IPAddressPool", "second", addresses=["1.1.1.8-1.1.1.20"]), "first",
        id="§8.8.68 overlapping pools",
    ),
    pytest.param(
        native("BGPAdvertisement", "wide", ipAddressPools=["first"], aggregationLength=26), "28",
        id="§8.8.68 aggregation 26 on 1.1.1.0/28",
    ),
    pytest.param(
        native("BGPAdvertisement", "some", aggregationLength=28,
               serviceSelectors=[{"matchLabels": {"a": "b"}}]), "serviceSelectors",
        id="§8.8.68 serviceSelectors with aggregation",
    ),
    pytest.param(peer("odd", "router.example.com"), "peerAddress",
                 id="§8.8.68 a peer's address that is no IP"),
    pytest.param(
        peer("again", "10.0.0.1", nodeSelectors=nodes("a")), "router",
        id="§8.8.68 two peers with one address and common nodes",
    ),
    pytest.param(
        native("Community", "bad", communities=[{"name": "x", "value": "64512"}]), "64512",
        id="§8.8.68 an invalid community",
    ),
    pytest.param(
        native("Community", "twice", communities=[{"name": "far", "value": "64512:2"}]), "far",
        id="§8.8.68 an alias that another object has",
    ),
    pytest.param(
        native("Community", "same", communities=[{"name": "x", "value": "large:1:2:3"},
                                                  {"name": "x", "value": "1:2"}]), "x",
        id="§8.8.68 an alias twice in one object",
    ),
]  # fmt: skip
ELSEWHERE = [
    native("IPAddressPool", "stray", namespace="default", addresses=["10.9.0.0/24"]),
    native("L2Advertisement", "stray", namespace="default"),
    native("BGPAdvertisement", "stray", namespace="default"),
    native("BFDProfile", "stray", namespace="default"),
    native("Community", "stray", namespace="default", communities=[]),
    {**peer("stray", "10.0.0.7"), "metadata": {"name": "stray", "namespace": "default"}},
]


@pytest.fixture(scope="module")
def made() -> set[str]:
    """Objects that are there already."""
    return set()


async def present(site: Site, made: set[str]) -> None:
    """See to it that the objects that others are judged against are there."""
    for value in PRESENT:
        name = f"{value['kind']}/{value['metadata']['name']}"
        if name not in made:
            await site.create(value)
            made.add(name)


async def refusal(site: Site, value: dict[str, Any]) -> str:
    """Try to store an object until it is refused, and tell why."""
    error = await site.until_refused(lambda: site.create(value, dryRun="All"))
    assert error.status == 422
    return error.message


@pytest.mark.parametrize(("value", "word"), REFUSED)
async def test_refused_on_create(site: Site, made: set[str], value: Any, word: str) -> None:
    await present(site, made)
    assert re.search(rf"\b{re.escape(word)}\b", await refusal(site, value))


async def test_68_peers_of_one_address_on_different_nodes_are_right(
    site: Site, made: set[str]
) -> None:
    await present(site, made)
    await refusal(site, peer("again", "10.0.0.1", nodeSelectors=nodes("a")))  # it is known by now
    await site.create(peer("other", "10.0.0.1", nodeSelectors=nodes("b")), dryRun="All")


async def test_68_an_invalid_community_on_update(site: Site, made: set[str]) -> None:
    await present(site, made)
    resource = await site.kinds.resource("Community", "metallb.io/v1beta1")
    bad = {"spec": {"communities": [{"name": "far", "value": "1:2:3"}]}}
    with pytest.raises(ApiError, match="1:2:3") as caught:
        await site.client.patch(resource, "names", bad, namespace=NAMESPACE)
    assert caught.value.status == 422


@pytest.mark.parametrize("value", ELSEWHERE, ids=[item["kind"] for item in ELSEWHERE])
async def test_68_each_of_six_kinds_outside_its_namespace(site: Site, value: Any) -> None:
    text = await refusal(site, value)
    assert f"{value['kind']} objects belong in the namespace {NAMESPACE}" in text
    there = {**value, "metadata": {"name": "stray", "namespace": "metallb-system"}}
    await site.create(there, dryRun="All")


async def test_68_a_profile_in_use_is_not_deleted(site: Site, made: set[str]) -> None:
    await present(site, made)
    error = await site.until_refused(lambda: site.delete(PROFILE, dryRun="All"))
    assert "BFDProfile fast is named by BGPPeer router" in error.message


async def test_the_words_are_ours(site: Site, made: set[str]) -> None:
    await present(site, made)
    text = await refusal(site, native("IPAddressPool", "second", addresses=["1.1.1.8-1.1.1.20"]))
    assert text.startswith(f'admission webhook "{OURS}" denied the request: .spec.addresses[0]')


async def test_both_versions_of_a_peer_are_served(site: Site) -> None:
    """By the webhook: a field that v1beta1 has not survives a client of it."""
    value = peer("converted", "10.0.0.9", vrf="red", holdTime="90s")
    await site.create(value)
    old = await site.kinds.resource("BGPPeer", "metallb.io/v1beta1")
    new = await site.kinds.resource("BGPPeer", "metallb.io/v1beta2")

    async def is_kept() -> bool:
        shown = await site.client.get(old, "converted", NAMESPACE)
        return "metallb.io/v1beta2-fields" in shown["metadata"].get("annotations", {})

    await site.until(is_kept)
    shown = await site.client.get(old, "converted", NAMESPACE)
    assert "vrf" not in shown["spec"]
    shown["spec"]["holdTime"] = "60s"
    await site.client.replace(old, "converted", shown, NAMESPACE)
    stored = await site.client.get(new, "converted", NAMESPACE)
    assert (stored["spec"]["vrf"], stored["spec"]["holdTime"]) == ("red", "60s")
    assert "annotations" not in stored["metadata"]
    zero = {**value, "apiVersion": "metallb.io/v1beta1", "metadata": {"name": "zero"}}
    zero["metadata"]["namespace"] = NAMESPACE
    zero["spec"] = {"myASN": 1, "peerASN": 2, "peerAddress": "10.0.0.10", "holdTime": "0s"}
    await site.create(zero)
    assert "holdTime" not in (await site.client.get(new, "zero", NAMESPACE))["spec"]
