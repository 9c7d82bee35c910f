"""The rights that the chart declares are those that the programs use: no more, no fewer.

Controller and speakers run with the chart's own accounts under RBAC, through a scenario in which
each does all that it can do to the API; the server's audit log is compared with the rules. Hooks
declare no rights: they have the operator's.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb.domain.webhook_certificate import SECRET
from metallb.kube.client import Resource
from metallb_lab import objects
from metallb_lab.bench.bodies import endpoint_slice
from metallb_lab.cluster import ClusterOptions
from metallb_lab.view import DeadlineError
from module.templates.rendering import Case, Chart
from module.templates.rights import ACCOUNTS, BoundCluster, Right, Use, declared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.netns,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]

SECONDS = 40.0
ADDRESSES = {"n1": "10.10.0.11", "n2": "10.10.0.12"}
SECRETS = Resource("", "v1", "secrets")
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
TAKEN = "10.10.128.9"
MISFIT = {
    "apiVersion": "network.deckhouse.io/v1alpha1",
    "kind": "VirtualIP",
    "metadata": {"name": TAKEN},
    "spec": {"address": "10.10.128.8", "pool": "front", "services": []},
}
"""Its name is not its address, so it is nobody's entry; who wants the address finds the name taken
and reads what is there."""

PEER = {"peerAddress": "10.10.131.1", "peerASN": 64501, "myASN": 64500}
POOLS = [
    {
        "apiVersion": "network.deckhouse.io/v1alpha1",
        "kind": "MetalLoadBalancerPool",
        "metadata": {"name": "edge"},
        "spec": {"addresses": ["10.10.129.0/28"]},
    },
    {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "native", "namespace": objects.NAMESPACE},
        "spec": {"addresses": ["10.10.130.0/28"], "autoAssign": False},
    },
    {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": "native", "namespace": objects.NAMESPACE},
        "spec": {},
    },
]
"""Their statuses are written, and those of Services that have an address of MetalLB's."""

SPEAKERS = [
    objects.bgp_peer(
        name, ADDRESSES[other], my_asn, peer_asn, passive=passive,
        nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": node}}],
    )
    for name, node, other, my_asn, peer_asn, passive in (
        ("dials", "n1", "n2", 64500, 64501, False),
        ("waits", "n2", "n1", 64501, 64500, True),
    )
]  # fmt: skip
"""The speakers are each other's BGP peers, so each announces to somebody."""

PARTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("network.deckhouse.io/v1alpha1", "MetalLoadBalancerBGPPeer", PEER),
    ("network.deckhouse.io/v1alpha1", "MetalLoadBalancerConfiguration", {"mode": "BGP"}),
    ("metallb.io/v1beta1", "BGPAdvertisement", {}),
    ("metallb.io/v1beta2", "BGPPeer", PEER),
    ("metallb.io/v1beta1", "BFDProfile", {}),
    ("metallb.io/v1beta1", "Community", {}),
)
"""They are judged."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(chart: Chart) -> AsyncIterator[BoundCluster]:
    """A cluster in which everything has happened that makes the programs ask for something."""
    cluster = BoundCluster(
        ClusterOptions(
            nodes=2,
            control_plane="real",
            controllers=1,
            data_path=False,
            speaker_arguments=("--bgp-listen-port=179",),
            controller_arguments=("--webhook-port=8443", "--manage-webhook-certificate"),
        )
    )
    cluster.manifests = chart.render(Case(own_certificate=True))
    async with cluster:
        await _play(cluster)
        with suppress(DeadlineError):  # renewals come later than all else; the tests tell the rest
            await cluster.until(lambda: not _all_unused(cluster), SECONDS)
        yield cluster


def _all_unused(cluster: BoundCluster) -> list[Right]:
    return [
        right
        for account in ACCOUNTS
        for right in _unused(declared(cluster.manifests, account), cluster.plane.uses_of(account))
    ]


async def _play(cluster: BoundCluster) -> None:
    await cluster.until(lambda: sum(bool(item.holder) for item in cluster.roll) == 2, SECONDS)
    await cluster.apply(MISFIT)
    ranges = ["10.10.128.1-10.10.128.9"]
    await cluster.apply(objects.load_balancer_class("front", ranges, is_default=True))
    for pool in POOLS:
        await cluster.create(pool)
    for version, kind, spec in PARTS:
        meta = {"name": "part"}
        if version.startswith("metallb.io"):
            meta["namespace"] = objects.NAMESPACE
        await cluster.create({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})
    for peer in SPEAKERS:
        await cluster.apply(peer)
    of_pool = {"metallb.io/address-pool": "native"}
    services: tuple[tuple[str, dict[str, str]], ...] = (
        ("web", {}),
        ("gone", {}),
        ("native", of_pool),
        ("routed", of_pool),
    )
    for name, notes in services:
        await cluster.apply(objects.service(name, annotations=notes))
        body = endpoint_slice(name, "n1", "10.244.0.9")
        await cluster.client.create(SLICES, body, "default")
    wish = {"network.deckhouse.io/load-balancer-ips": TAKEN}
    await cluster.apply(objects.service("refused", annotations=wish))
    nowhere = {"network.deckhouse.io/metal-load-balancer-class": "no-such-class"}
    await cluster.apply(objects.service("lost", annotations=nowhere))
    await cluster.until(lambda: cluster.addresses("web") and cluster.addresses("gone"), SECONDS)
    await cluster.until(lambda: _is_announced(cluster, "web"), SECONDS)
    await cluster.until(lambda: cluster.plane.has_seen("create", "servicel2statuses"), SECONDS)
    await cluster.until(lambda: _is_routed_by_both(cluster), SECONDS)
    await cluster.until(
        lambda: cluster.plane.has_seen("patch", r"bgpsessions/[^/]+/status"), SECONDS
    )
    await cluster.delete("BGPPeer", "part", objects.NAMESPACE)
    await cluster.until(lambda: cluster.plane.has_seen("delete", 'bgpsessions/[^"]+'), SECONDS)
    await cluster.delete("Service", "native")
    spoilt = {"data": {"tls.crt": "bm9uc2Vuc2U="}}
    await cluster.client.patch(SECRETS, SECRET, spoilt, namespace=objects.NAMESPACE)
    await cluster.delete("Service", "gone")
    await cluster.until(lambda: not cluster.vips_of("gone"), SECONDS)
    # a speaker dies: a peer empties its entry of the roll, the controller orders anew
    [vip] = cluster.vips_of("web")
    before = vip.spec.layer2.nodes
    await cluster.power_off(before[0])
    await cluster.until(lambda: _orders(cluster, "web") != before, SECONDS)
    await cluster.until(lambda: _has_told_of(cluster, "lost"), SECONDS)
    await cluster.until(lambda: cluster.plane.has_seen("get", f"virtualips/{TAKEN}"), SECONDS)


def _is_routed_by_both(cluster: BoundCluster) -> bool:
    found = cluster.vips_of("routed")
    return bool(found) and {item.node for item in found[0].status.bgp} == set(ADDRESSES)


def _is_announced(cluster: BoundCluster, name: str) -> bool:
    return all(vip.status.announcers for vip in cluster.vips_of(name))


def _orders(cluster: BoundCluster, name: str) -> tuple[str, ...]:
    [vip] = cluster.vips_of(name)
    return vip.spec.layer2.nodes


def _has_told_of(cluster: BoundCluster, name: str) -> bool:
    service = cluster.service(name)
    return service is not None and bool(service.conditions)


def _unused(rights: list[Right], uses: list[Use]) -> list[Right]:
    return [right for right in rights if not any(use.needs(right) for use in uses)]


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_nothing_is_asked_for_that_is_not_declared(
    played: BoundCluster, account: str
) -> None:
    uses = played.plane.uses_of(account)
    assert len(uses) >= 10
    assert [use for use in uses if not use.is_allowed] == []
    rights = declared(played.manifests, account)
    assert [use for use in uses if not any(use.needs(right) for right in rights)] == []


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_nothing_is_declared_that_is_not_asked_for(
    played: BoundCluster, account: str
) -> None:
    rights = declared(played.manifests, account)
    assert len(rights) >= 8
    assert _unused(rights, played.plane.uses_of(account)) == []


async def test_a_right_too_many_would_be_seen(played: BoundCluster) -> None:
    extra = Right("delete", "network.deckhouse.io", "virtualips")
    rights = [*declared(played.manifests, "speaker"), extra]
    assert _unused(rights, played.plane.uses_of("speaker")) == [extra]


async def test_a_right_too_few_would_be_refused(played: BoundCluster) -> None:
    """The accounts can do nothing but what their roles say."""
    refused = [
        await played.is_refused(account, path)
        for account in ACCOUNTS
        for path in (
            "/api/v1/namespaces/default/secrets",
            "/api/v1/pods",
            "/apis/coordination.k8s.io/v1/namespaces/default/leases",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        )
    ]
    assert refused == [True] * 8
    of_module = f"/api/v1/namespaces/{objects.NAMESPACE}/secrets"
    assert [await played.is_refused(account, of_module) for account in ACCOUNTS] == [True, False]
