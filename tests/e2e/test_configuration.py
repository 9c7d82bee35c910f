"""metallb.md §8.2: what is read from configurations, on the real API server and without a webhook.

Names of the tests say which line of the inventory it is; `docs/internal/COMPATIBILITY.md` has all
lines, with those that tests elsewhere cover.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb_lab import objects
from support.native import eventually, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import JsonObject
    from support.scene import Scene

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]

PLURALS = {
    "BGPAdvertisement": "v1beta1/{}/bgpadvertisements",
    "BGPPeer": "v1beta2/{}/bgppeers",
    "BFDProfile": "v1beta1/{}/bfdprofiles",
    "Community": "v1beta1/{}/communities",
}


def path(scene: Scene, kind: str, name: str = "") -> str:
    """Give the path of an object of a scene, or of its kind."""
    version, _, plural = PLURALS[kind].partition("/{}/")
    full = f"/{scene.name(name)}" if name else ""
    return f"/apis/metallb.io/{version}/namespaces/{objects.NAMESPACE}/{plural}{full}"


class Written:
    """Objects of kinds that scenes do not know; to be taken away at the end."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._client = scene.cluster.client
        self._paths: list[str] = []

    async def write(self, kind: str, name: str, **spec: Any) -> None:
        """Make an object."""
        version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
        meta = {"name": self._scene.name(name), "namespace": objects.NAMESPACE}
        body = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": meta, "spec": spec}
        await self._client.request("POST", path(self._scene, kind), body=body)
        self._paths.append(path(self._scene, kind, name))

    async def says(self, kind: str, name: str, *words: str) -> None:
        """Wait until the condition `Valid` has words; none: that all is valid."""

        async def look() -> bool:
            value = await self._client.request("GET", path(self._scene, kind, name))
            found = {item["type"]: item for item in value.get("status", {}).get("conditions", [])}
            valid: JsonObject = found.get("Valid", {})
            if not words:
                return valid.get("status") == "True"
            told = f"{valid.get('reason')}: {valid.get('message')}"
            return valid.get("status") == "False" and all(word in told for word in words)

        await eventually(look, f"{kind} {name} says {words or 'that it is valid'}")

    async def take_away(self) -> None:
        """Delete all."""
        for item in reversed(self._paths):
            await self._client.request("DELETE", item)


@pytest_asyncio.fixture(loop_scope="session")
async def written(scene: Scene) -> AsyncIterator[Written]:
    """Give what makes objects of other kinds."""
    made = Written(scene)
    yield made
    await made.take_away()


@pytest.mark.parametrize("order", list(itertools.permutations(("pool", "advertisement", "web"))))
async def test_8_2_16_the_order_of_objects_does_not_matter(
    scene: Scene, order: tuple[str, ...]
) -> None:
    for name in order:
        match name:
            case "pool":
                await scene.make_pool(scene.range4(1, 9), is_advertised=False)
            case "advertisement":
                pools = [scene.name("pool")]
                await scene.make(objects.l2_advertisement(scene.name("pool"), ipAddressPools=pools))
            case _:
                await make(scene)
    assert await scene.served() == (scene.ipv4(1),)


async def test_8_2_18_a_community_is_missed_until_it_is_made(
    scene: Scene, written: Written
) -> None:
    await scene.make_pool(scene.range4(1, 9), is_advertised=False)
    alias = scene.name("far")
    await written.write(
        "BGPAdvertisement", "adv", ipAddressPools=[scene.name("pool")], communities=[alias]
    )
    await written.says("BGPAdvertisement", "adv", alias)
    await written.write(
        "Community", "names", communities=[{"name": alias, "value": "large:64512:1:2"}]
    )
    await written.says("BGPAdvertisement", "adv")


async def test_8_2_18_a_profile_is_missed_until_it_is_made(scene: Scene, written: Written) -> None:
    profile = scene.name("fast")
    address = f"10.200.{scene.number}.1"
    await written.write(
        "BGPPeer", "router", myASN=64512, peerASN=64513, peerAddress=address, bfdProfile=profile
    )
    await written.says("BGPPeer", "router", "UnknownReference", profile)
    await written.write("BFDProfile", "fast", receiveInterval=100)
    await written.says("BGPPeer", "router")


async def test_8_2_19_two_preferences_for_one_prefix_are_told(
    scene: Scene, written: Written
) -> None:
    await scene.make_pool(scene.range4(1, 9), is_advertised=False)
    pools = [scene.name("pool")]
    await written.write("BGPAdvertisement", "one", ipAddressPools=pools, localPref=100)
    await written.says("BGPAdvertisement", "one")
    await written.write("BGPAdvertisement", "two", ipAddressPools=pools, localPref=200)
    for name in ("one", "two"):
        await written.says("BGPAdvertisement", name, "InvalidSpec", "localPref")
    await written.write(
        "BGPAdvertisement", "some", ipAddressPools=pools, localPref=300,
        serviceSelectors=[{"matchLabels": {"a": "b"}}],
    )  # fmt: skip
    await written.says("BGPAdvertisement", "some")  # which Services it is for shows at announcing
