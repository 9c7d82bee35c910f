"""BGP settings of a ModuleConfig before version 3, made into objects of their own.

    addressPools of BGP ──► MetalLoadBalancerPool
    bgpPeers            ──► MetalLoadBalancerBGPPeer, password ──► Secret
    who peers where,    ──► MetalLoadBalancerConfiguration `migrated-bgp`, and one more for each
    what is announced       set of nodes that a peer's own selector names

It goes on until the user raises the version. An object that is there is never touched, whoever
made it: the user may have edited it. Of Deckhouse's migration it keeps names and labels, and
carries over what that one drops: passwords, source addresses, selectors of peers, the flags of
pools. Passwords go to the platform's namespace: the module's own goes when the module is disabled,
and by then the settings may no longer have them.

Limits: a configuration selects nodes by equal labels only. For a selector that says more the nodes
that match now are named one by one, which is reported, because nodes that come later are not in it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metallb.api.meta import GROUP
from metallb.domain.bgp_passwords import PASSWORD_KEY, SECRET_TYPE, SOURCE_LABEL
from metallb.domain.decisions import (
    OUR_LABELS,
    PLATFORM_NAMESPACE,
    CreateIfNotExists,
    Decision,
)
from metallb.domain.discovery import HOSTNAME_LABEL
from metallb.domain.findings import Finding, events_of, metrics_of
from metallb.domain.hook_metrics import HookMetric, MetricGroup
from metallb.domain.legacy_settings import AUTO_GENERATED, read_legacy_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metallb.domain.decisions import Situation
    from metallb.domain.legacy_settings import (
        LegacyAdvertisement,
        LegacyPeer,
        LegacyPool,
        LegacySettings,
    )

API_VERSION = f"{GROUP}/v1alpha1"
CONFIGURATION = "migrated-bgp"

_COMMUNITY = re.compile(r"([0-9]{1,5}):([0-9]{1,5})|no-export|no-advertise|local-as|none")
_LIST_LIMIT = 256
"""A configuration takes so many peers and so many advertisements."""

Labels = dict[str, str]
JsonObject = dict[str, Any]


@dataclass(slots=True)
class _Migration:
    """A migration while it is worked out."""

    settings: LegacySettings
    nodes: Sequence[tuple[str, Labels]]
    findings: list[Finding] = field(default_factory=list)

    def note(self, path: str, reason: str, message: str) -> None:
        self.findings.append(Finding(self.settings.of, path, reason, message))


def bgp_migration(situation: Situation) -> Decision:
    """Make the objects that are not there.

    Snapshots: `module-config` with `uid`, `version` and `settings`; `nodes` with `name` and
    `labels`; `pools`, `peers` (with `passwordSecretRef`), `configurations` and `secrets` (of the
    platform's namespace) with `name`.
    """
    settings = read_legacy_settings(situation)
    group = MetricGroup.MIGRATION_BGP
    if settings is None or not (settings.bgp_pools() or settings.peers):
        return Decision(metrics={group: []})
    nodes = [(item.text("name"), item.mapping("labels")) for item in situation.snapshot("nodes")]
    migration = _Migration(settings, sorted(nodes))
    objects = [*_secrets(migration), *map(_pool, settings.bgp_pools()), *_peers(migration)]
    objects += _configurations(migration)
    findings = [
        *migration.findings,
        *settings.findings("bgp"),
        *settings.findings("addressPools"),
        *settings.findings("speaker"),
    ]
    missing = [CreateIfNotExists(item) for item in objects if _is_wanted(item, situation)]
    return Decision(
        operations=[*missing, *events_of(findings, situation.now)],
        metrics={group: metrics_of(HookMetric.PROBLEM, findings)},
    )


def _is_wanted(item: JsonObject, situation: Situation) -> bool:
    """Tell whether an object is not there, and is of use."""
    snapshots = {
        "Secret": "secrets",
        "MetalLoadBalancerPool": "pools",
        "MetalLoadBalancerBGPPeer": "peers",
        "MetalLoadBalancerConfiguration": "configurations",
    }
    name = item["metadata"]["name"]
    present = {found.text("name") for found in situation.snapshot(snapshots[item["kind"]])}
    is_of_use = item["kind"] != "Secret" or _can_use(name, situation)
    return name not in present and is_of_use


def _can_use(secret: str, situation: Situation) -> bool:
    """Tell whether a Secret has a peer that names it or is yet to be made."""
    others = {
        _secret_name(peer.text("name"))
        for peer in situation.snapshot("peers")
        if peer.child("passwordSecretRef").text("name") != secret
    }
    return secret not in others


def _object(kind: str, name: str, spec: JsonObject) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {**OUR_LABELS, **AUTO_GENERATED}},
        "spec": spec,
    }


# -- pools, passwords ------------------------------------------------------------------------------


def _pool(pool: LegacyPool) -> JsonObject:
    spec: JsonObject = {"addresses": list(pool.addresses)}
    if not pool.auto_assign:
        spec["autoAssign"] = False
    if pool.avoid_buggy_ips:
        spec["avoidBuggyIPs"] = True
    return _object("MetalLoadBalancerPool", pool.name, spec)


def _secret_name(peer: str) -> str:
    return f"metallb-bgp-{peer}"


def _secrets(migration: _Migration) -> Iterator[JsonObject]:
    for peer in migration.settings.peers:
        if peer.password:
            labels = {**OUR_LABELS, **AUTO_GENERATED, SOURCE_LABEL: "true"}
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": _secret_name(peer.name),
                    "namespace": PLATFORM_NAMESPACE,
                    "labels": labels,
                },
                "type": SECRET_TYPE,
                "data": {PASSWORD_KEY: base64.b64encode(peer.password.encode()).decode()},
            }


# -- peers -----------------------------------------------------------------------------------------


def _peers(migration: _Migration) -> Iterator[JsonObject]:
    for peer in migration.settings.peers:
        spec: JsonObject = {
            "peerAddress": peer.address,
            "peerASN": peer.asn,
            "myASN": peer.my_asn,
            "peerPort": peer.port,
            "routerID": peer.router_id,
            "holdTime": peer.hold_time,
            "sourceAddresses": _source_addresses(migration, peer),
        }
        if peer.password:
            spec["passwordSecretRef"] = {
                "name": _secret_name(peer.name),
                "namespace": PLATFORM_NAMESPACE,
            }
        said = {name: value for name, value in spec.items() if value}
        yield _object("MetalLoadBalancerBGPPeer", peer.name, said)


def _source_addresses(migration: _Migration, peer: LegacyPeer) -> list[JsonObject]:
    if not peer.source_address:
        return []
    nodes = _nodes_of(migration, peer)
    if not nodes:
        migration.note(
            f"{peer.path}.source-address",
            "NoNodeForSourceAddress",
            f"no node is selected for {peer.name}, so nobody uses {peer.source_address}",
        )
    return [{"nodeName": node, "address": peer.source_address} for node in nodes]


def _nodes_of(migration: _Migration, peer: LegacyPeer) -> list[str]:
    """Name the nodes on which a peer was spoken to."""
    base = migration.settings.speaker_selector.items()
    return [
        name
        for name, labels in migration.nodes
        if base <= labels.items() and all(item.matches(labels) for item in peer.selector)
    ]


# -- configurations --------------------------------------------------------------------------------


def _configurations(migration: _Migration) -> Iterator[JsonObject]:
    base = dict(migration.settings.speaker_selector)
    peers_on: dict[str, list[str]] = {json.dumps(base, sort_keys=True): []}
    for peer in migration.settings.peers:
        for labels in _selections(migration, peer, base):
            peers_on.setdefault(json.dumps(labels, sort_keys=True), []).append(peer.name)
    advertisements = list(_advertisements(migration))
    first, *others = [key for key in peers_on if peers_on[key]] or list(peers_on)
    parts = [
        {
            "mode": "BGP",
            "nodeSelector": json.loads(key),
            "bgp": {"peerNames": peers},
            "advertisements": advertised,
        }
        for key in (first, *sorted(others))
        for peers in _chunks(peers_on[key])
        for advertised in _chunks(advertisements)
    ]
    for index, spec in enumerate(parts):
        name = CONFIGURATION if index == 0 else f"{CONFIGURATION}-{index}"
        yield _object("MetalLoadBalancerConfiguration", name, spec)


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[at : at + _LIST_LIMIT] for at in range(0, len(items), _LIST_LIMIT)] or [[]]


def _selections(migration: _Migration, peer: LegacyPeer, base: Labels) -> Iterator[Labels]:
    """Give the sets of labels by which the nodes of a peer can be selected."""
    labels = _merged(base, peer)
    if labels is not None:
        yield labels
        return
    nodes = _nodes_of(migration, peer)
    migration.note(
        f"{peer.path}.node-selector",
        "NodesNamedOneByOne",
        f"{peer.name} is for the nodes that the selector matches now: {', '.join(nodes) or 'none'}",
    )
    yield from ({HOSTNAME_LABEL: name} for name in nodes)


def _merged(base: Labels, peer: LegacyPeer) -> Labels | None:
    """Put two selectors into one map of equal labels; None: that cannot be."""
    found = dict(base)
    for item in peer.selector:
        is_equality = item.operator == "In" and len(item.values) == 1
        if not is_equality or found.setdefault(item.key, item.values[0]) != item.values[0]:
            return None
    return found


def _advertisements(migration: _Migration) -> Iterator[JsonObject]:
    for pool in migration.settings.bgp_pools():
        if not pool.advertisements:
            yield {"poolNames": [pool.name]}
        for item in pool.advertisements:
            said = _attributes(migration, item)
            yield {"poolNames": [pool.name], **({"bgp": said} if said else {})}


def _attributes(migration: _Migration, item: LegacyAdvertisement) -> JsonObject:
    found: JsonObject = {}
    if item.aggregation_length not in (0, 32):
        found["aggregationLength"] = item.aggregation_length
    if item.local_preference is not None:
        found["localPref"] = item.local_preference
    aliases: Mapping[str, str] = migration.settings.communities
    values = [aliases.get(name, name) for name in item.communities]
    for index, (name, value) in enumerate(zip(item.communities, values, strict=True)):
        if not _is_community(value):
            path = f"{item.path}.communities[{index}]"
            migration.note(path, "UnknownCommunity", f"{name!r} is {value!r}, which is none")
    communities = [value for value in values if _is_community(value)]
    return found | ({"communities": communities} if communities else {})


def _is_community(text: str) -> bool:
    found = _COMMUNITY.fullmatch(text)
    return found is not None and all(int(number or 0) <= 65_535 for number in found.groups())
