"""Settings of the module's older versions, as a ModuleConfig still holds them.

Version 1 and 2 had address pools, BGP peers and community aliases in the ModuleConfig. The
operator's conversions drop them before any hook sees the settings, so migrations read the stored
object. A reader here never raises: what cannot be read is left out and noted with its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb.api.fields import Fields, Problem
from metallb.api.label_syntax import is_label_key, is_label_value, is_object_name
from metallb.api.meta import ObjectKey, Reference
from metallb.domain.findings import Finding
from metallb.net.ranges import parse_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.domain.decisions import Situation

CURRENT_VERSION = 3

AUTO_GENERATED = {"auto-generated-by": "d8-migration-hook"}
"""Label of objects that a migration made; Deckhouse's own word for it."""

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d|w|y)")
_MILLISECONDS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_ASN = 2**32 - 1


@dataclass(frozen=True, slots=True)
class LegacyAdvertisement:
    """How a pool was announced by BGP; 0 and None are what was not said."""

    aggregation_length: int
    local_preference: int | None
    communities: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class LegacyPool:
    """An entry of `addressPools`."""

    name: str
    is_bgp: bool
    addresses: tuple[str, ...]
    auto_assign: bool
    avoid_buggy_ips: bool
    advertisements: tuple[LegacyAdvertisement, ...]
    path: str


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """An expression over labels, with the meaning that Kubernetes gives it."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy it."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LegacyPeer:
    """An entry of `bgpPeers`; `selector` must hold as a whole."""

    name: str
    address: str
    asn: int
    my_asn: int
    port: int
    router_id: str
    hold_time: str
    source_address: str
    selector: tuple[LabelRequirement, ...]
    password: str
    path: str


@dataclass(frozen=True, slots=True)
class LegacySettings:
    """What a ModuleConfig of an older version says."""

    of: Reference
    version: int
    load_balancer_class: str
    pools: tuple[LegacyPool, ...]
    peers: tuple[LegacyPeer, ...]
    communities: Mapping[str, str]
    speaker_selector: Mapping[str, str]
    problems: tuple[Problem, ...]

    def findings(self, prefix: str) -> Iterator[Finding]:
        """Give what could not be read below a setting."""
        for problem in self.problems:
            if problem.path.startswith(f".spec.settings.{prefix}"):
                yield Finding(self.of, problem.path, "InvalidSetting", problem.message)

    def bgp_pools(self) -> list[LegacyPool]:
        """Give the pools of BGP."""
        return [pool for pool in self.pools if pool.is_bgp]

    def layer2_pools(self) -> list[LegacyPool]:
        """Give the pools of L2."""
        return [pool for pool in self.pools if not pool.is_bgp]


def read_legacy_settings(situation: Situation) -> LegacySettings | None:
    """Read the ModuleConfig; None when it is absent or not of an older version.

    Snapshot: `module-config` with `uid`, `version` and `settings`.
    """
    for found in situation.snapshot("module-config"):
        version = found.integer("version", CURRENT_VERSION, 1, 2**31 - 1)
        if version < CURRENT_VERSION:
            settings = Fields(found.child("settings").value, ".spec.settings")
            return _read(settings, module_config(found), version)
    return None


def module_config(found: Fields) -> Reference:
    """Give the reference of the module's ModuleConfig."""
    key = ObjectKey("", "metallb")
    return Reference("deckhouse.io/v1alpha1", "ModuleConfig", key, found.text("uid"))


def _read(settings: Fields, of: Reference, version: int) -> LegacySettings:
    pools = [_read_pool(item, i) for i, item in enumerate(settings.children("addressPools"))]
    peers = [_read_peer(item, i) for i, item in enumerate(settings.children("bgpPeers"))]
    return LegacySettings(
        of=of,
        version=version,
        load_balancer_class=settings.text("loadBalancerClass"),
        pools=tuple(pool for pool in pools if pool is not None),
        peers=tuple(peer for peer in peers if peer is not None),
        communities=settings.mapping("bgpCommunities"),
        speaker_selector=_read_labels(settings.child("speaker")),
        problems=tuple(settings.problems),
    )


def _read_labels(speaker: Fields) -> dict[str, str]:
    found = speaker.mapping("nodeSelector")
    wrong = [key for key in found if not (is_label_key(key) and is_label_value(found[key]))]
    for key in wrong:
        speaker.note("nodeSelector", f"{key!r}: {found[key]!r} cannot be a label; it is left out")
    return {key: value for key, value in found.items() if key not in wrong}


def _read_pool(item: Fields, index: int) -> LegacyPool | None:
    protocol = item.text("protocol")
    addresses = tuple(_read_ranges(item))
    name = item.text("name") or f"pool-{index}"
    if protocol not in ("bgp", "layer2"):
        item.note("protocol", f"{protocol!r} is not one of bgp, layer2; the pool is left out")
    elif not addresses:
        item.note("addresses", "no address of it can be used; the pool is left out")
    elif not is_object_name(name):
        item.note("name", f"{name!r} cannot be the name of an object; the pool is left out")
    else:
        return LegacyPool(
            name=name,
            is_bgp=protocol == "bgp",
            addresses=addresses,
            auto_assign=item.boolean("auto-assign", default=True),
            avoid_buggy_ips=item.boolean("avoid-buggy-ips"),
            advertisements=tuple(
                _read_advertisement(advertisement)
                for advertisement in item.children("bgp-advertisements")
            ),
            path=item.path,
        )
    return None


def _read_ranges(item: Fields) -> Iterator[str]:
    for index, text in enumerate(item.texts("addresses")):
        try:
            parse_range(text)
        except ValueError as error:
            item.note(f"addresses[{index}]", str(error))
        else:
            yield "".join(text.split())


def _read_address(item: Fields, name: str) -> str:
    """Read an IPv4 address, which is all that older versions took; empty when there is none."""
    text = item.text(name).strip()
    try:
        return str(IPv4Address(text)) if text else ""
    except ValueError:
        item.note(name, f"{text!r} is not an IPv4 address; it is left out")
        return ""


def _read_advertisement(item: Fields) -> LegacyAdvertisement:
    preference = item.integer("localpref", -1, 0, _ASN)
    return LegacyAdvertisement(
        aggregation_length=item.integer("aggregation-length", 0, 1, 32),
        local_preference=None if preference < 0 else preference,
        communities=item.texts("communities"),
        path=item.path,
    )


def _read_peer(item: Fields, index: int) -> LegacyPeer | None:
    address = _read_address(item, "peer-address")
    asn = item.integer("peer-asn", 0, 1, _ASN)
    my_asn = item.integer("my-asn", 0, 1, _ASN)
    if not (address and asn and my_asn):
        item.note("peer-address", "peer-address, peer-asn and my-asn are needed; it is left out")
        return None
    return LegacyPeer(
        name=f"peer-{index}",
        address=address,
        asn=asn,
        my_asn=my_asn,
        port=item.integer("peer-port", 0, 0, 65_535),
        router_id=_read_address(item, "router-id"),
        hold_time=_read_hold_time(item),
        source_address=_read_address(item, "source-address"),
        selector=tuple(_read_selector(item.child("node-selector"))),
        password=item.text("password"),
        path=item.path,
    )


def _read_selector(selector: Fields) -> Iterator[LabelRequirement]:
    for key, value in sorted(selector.mapping("matchLabels").items()):
        yield LabelRequirement(key, "In", (value,))
    for item in selector.children("matchExpressions"):
        operator = item.choice("operator", ("In", "NotIn", "Exists", "DoesNotExist"), "In")
        yield LabelRequirement(item.text("key"), operator, item.texts("values"))


def _read_hold_time(item: Fields) -> str:
    """Read a duration, seconds when it has no unit, and write it in units that BGP objects take."""
    value = item.value.get("hold-time")
    if value is None:
        return ""
    text = f"{value}s" if isinstance(value, int) or str(value).isdigit() else str(value)
    parts = _DURATION.findall(text)
    total = sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)
    if not parts or "".join(map("".join, parts)) != text or not _is_hold_time(total):
        item.note("hold-time", f"{value!r} is not 0 or a time from 3s to 65535s; it is left out")
        return ""
    return f"{total}ms" if total % 1000 else f"{total // 1000}s"


def _is_hold_time(milliseconds: int) -> bool:
    """Tell whether a hold time can be said in an OPEN message (RFC 4271 §4.2)."""
    return milliseconds == 0 or 3_000 <= milliseconds <= 65_535_000
