"""Whole objects of every kind, and what a hostile hand makes of them, for property tests.

A change is made at a place that the object has: so it reaches the reader of that very field. The
rest of the object stays as it was.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st

from support.everything import READERS
from support.objects import metal_object, native_object

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]
Path = tuple[str | int, ...]

SELECTOR = {
    "matchLabels": {"a": "b"},
    "matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["d", "e"]}],
}
OPTIONS: Document = {
    "disabled": False,
    "namespaceQuota": 3,
    "retentionSeconds": 60,
    "drainMovesPerMinute": 5,
    "reservations": [{"addresses": ["10.0.0.7"], "namespace": "web", "service": "site"}],
}
SPECS: dict[str, Document] = {
    "MetalLoadBalancerClass": {
        "isDefault": True,
        "type": "L2",
        "l2": {
            "interfaces": ["eth0"],
            "rebalancing": {"policy": "Never", "delaySeconds": 1, "movesPerMinute": 2},
        },
        "addressPool": ["10.0.0.0/24", "fd00::/120"],
        "nodeSelector": {"a": "b"},
        **OPTIONS,
    },
    "MetalLoadBalancerPool": {
        "addresses": ["10.1.0.0/24", "10.1.4.0-10.1.7.255", "fd01::/64"],
        "autoAssign": False,
        "avoidBuggyIPs": True,
        **OPTIONS,
    },
    "MetalLoadBalancerBGPPeer": {
        "peerAddress": "192.0.2.1",
        "peerPort": 179,
        "peerASN": 1,
        "myASN": 2,
        "routerID": "192.0.2.2",
        "holdTime": "90s",
        "passwordSecretRef": {"name": "a", "namespace": "b"},
        "sourceAddresses": [{"nodeName": "n", "address": "192.0.2.3"}],
        "bfd": {"receiveInterval": 300, "minimumTTL": 254, "echoMode": True},
    },
    "MetalLoadBalancerConfiguration": {
        "mode": "BGP",
        "nodeSelector": {"a": "b"},
        "bgp": {"peerNames": ["x"]},
        "advertisements": [
            {
                "poolNames": ["x"],
                "bgp": {
                    "communities": ["1:2", "no-export"],
                    "localPref": 7,
                    "aggregationLength": 24,
                    "aggregationLengthV6": 64,
                },
            }
        ],
    },
    "IPAddressPool": {
        "addresses": ["10.2.0.0/24", "10.2.4.0-10.2.7.255", "fd02::/64"],
        "autoAssign": True,
        "avoidBuggyIPs": True,
        "serviceAllocation": {
            "priority": 5,
            "namespaces": ["web"],
            "namespaceSelectors": [SELECTOR],
            "serviceSelectors": [SELECTOR],
        },
        **OPTIONS,
    },
    "L2Advertisement": {
        "ipAddressPools": ["x"],
        "ipAddressPoolSelectors": [SELECTOR],
        "nodeSelectors": [SELECTOR],
        "serviceSelectors": [SELECTOR],
        "interfaces": ["eth0"],
        "preferredNodeSelectors": [{"weight": 5, "preference": SELECTOR}],
    },
    "BGPAdvertisement": {
        "ipAddressPools": ["x"],
        "ipAddressPoolSelectors": [SELECTOR],
        "nodeSelectors": [SELECTOR],
        "serviceSelectors": [],
        "peers": ["x"],
        "communities": ["1:2", "large:1:2:3", "x"],
        "localPref": 7,
        "aggregationLength": 24,
        "aggregationLengthV6": 64,
    },
    "BGPPeer": {
        "myASN": 1,
        "peerASN": 2,
        "dynamicASN": "",
        "localASN": 3,
        "peerAddress": "192.0.2.1",
        "interface": "",
        "sourceAddress": "192.0.2.2",
        "peerPort": 179,
        "holdTime": "90s",
        "keepaliveTime": "30s",
        "connectTime": "5s",
        "routerID": "192.0.2.3",
        "nodeSelectors": [SELECTOR],
        "password": "",
        "passwordSecret": {"name": "a", "namespace": "b"},
        "bfdProfile": "x",
        "enableGracefulRestart": True,
        "ebgpMultiHop": True,
        "vrf": "red",
        "disableMP": False,
        "dualStackAddressFamily": True,
    },
    "BFDProfile": {"receiveInterval": 300, "detectMultiplier": 3, "echoMode": True},
    "Community": {"communities": [{"name": "x", "value": "1:2"}]},
}


def whole(kind: str, name: str = "x") -> Document:
    """An object of a kind with nearly all of its fields."""
    make = metal_object if kind.startswith("Metal") else native_object
    return copy.deepcopy(make(kind, name, **SPECS[kind]))


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """All places in a document but the document itself."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, below in items:
        yield (*at, key)
        yield from paths(below, (*at, key))


def put(value: Any, path: Path, new: Any) -> None:
    """Put something at a place, if it is still there."""
    *above, last = path
    try:
        for key in above:
            value = value[key]
        value[last]  # a list has no place but those that it has
        value[last] = new
    except (KeyError, IndexError, TypeError):
        return


_TEXTS = [
    "", " ", "\x00", "\ud800", "ё\u202e", "x" * 5000, "0", "-1", "null", "10.0.0.0/33", "1.1.1.1/-",
    "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "::ffff:10.0.0.0/90", "::/0", "0.0.0.0/0",
    "10.0.0.1-10.0.0.1-10.0.0.1", "010.0.0.1", "1e9s", "-0", "9" * 300 + "s", "4294967296:1", "::",
    "large:::", "fe80::1%eth0", "10.0.0.0/24/24", "٣.٣.٣.٣", "host", "-", "/", "%", ":", "a/b/c",
]  # fmt: skip
_CHECKED_BY_EVERY_SERVER = {("metadata", "name"), ("metadata", "namespace")}
_KEYS = ["", "key", "name", "matchLabels", "x"]
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2**31, 2**32, 2**63, 2**64]),
    st.floats(allow_nan=True),
    st.sampled_from(_TEXTS),
    st.text(max_size=20),
)
ANYTHING = st.recursive(
    PLAIN,
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.dictionaries(
            st.sampled_from(["", "key", "name", "matchLabels", "x"]), below, max_size=3
        ),
    ),
    max_leaves=8,
)
MANY = st.builds(lambda item: [item] * 1500, PLAIN)


@st.composite
def spoilt(draw: st.DrawFn, kind: str) -> Document:
    """An object of a kind with some of its parts replaced."""
    value = whole(kind, draw(st.sampled_from(["x", "y", ""])))
    places = [path for path in paths(value) if path not in _CHECKED_BY_EVERY_SERVER]
    for path in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        put(value, path, draw(st.one_of(ANYTHING, ANYTHING, ANYTHING, MANY)))
    return value


@st.composite
def some_objects(draw: st.DrawFn, *, most: int = 6) -> list[tuple[str, Document]]:
    """Objects of several kinds, whole and spoilt, in some order."""
    kinds = draw(st.lists(st.sampled_from(sorted(READERS)), min_size=1, max_size=most))
    return [(kind, draw(st.one_of(spoilt(kind), st.just(whole(kind))))) for kind in kinds]
