#!/usr/bin/env python3
"""Finds out whether L2 and BGP are used and on which nodes speakers must run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.discovery import discovery
from metallb.hook.bindings import NAME, NATIVE, NATIVE_PEERS, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    queue="discovery",
    before_helm=20,
    bindings=(
        Binding("classes", OURS, "MetalLoadBalancerClass", NAME),
        Binding("pools", OURS, "MetalLoadBalancerPool", NAME),
        Binding("layer2-advertisements", NATIVE, "L2Advertisement", ".spec | {nodeSelectors}"),
        Binding("advertisements", NATIVE, "BGPAdvertisement", NAME),
        Binding(
            "configurations",
            OURS,
            "MetalLoadBalancerConfiguration",
            ".spec | {mode, nodeSelector, peerNames: (.bgp.peerNames // [])}",
        ),
        Binding(
            "peers",
            OURS,
            "MetalLoadBalancerBGPPeer",
            "{name: .metadata.name, sourceAddresses: .spec.sourceAddresses}",
        ),
        Binding("native-peers", NATIVE_PEERS, "BGPPeer", ".spec | {nodeSelectors}"),
    ),
)

if __name__ == "__main__":
    run(CONFIG, discovery)
