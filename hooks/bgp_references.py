#!/usr/bin/env python3
"""Tells on the BGP objects of users what they name and is not there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.bgp_passwords import SOURCE_LABEL
from metallb.domain.bgp_references import bgp_references
from metallb.domain.decisions import NAMESPACE, UPSTREAM_NAMESPACE
from metallb.hook.bindings import NATIVE_PEERS, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

IDENTITY = (
    "name: .metadata.name, uid: .metadata.uid, generation: .metadata.generation,"
    " conditions: .status.conditions"
)

KEYS = 'data: (.data // {} | map_values(. != ""))'

CONFIG = HookConfig(
    queue="bgp-references",
    bindings=(
        Binding(
            "configurations",
            OURS,
            "MetalLoadBalancerConfiguration",
            f"{{{IDENTITY}, peerNames: .spec.bgp.peerNames, advertisements: .spec.advertisements}}",
        ),
        Binding(
            "peers",
            OURS,
            "MetalLoadBalancerBGPPeer",
            f"{{{IDENTITY}}} + (.spec | {{passwordSecretRef, tcpAuthentication}})",
        ),
        Binding(
            "pools",
            OURS,
            "MetalLoadBalancerPool",
            f"{{{IDENTITY}, addresses: .spec.addresses}}",
        ),
        Binding(
            "secrets",
            "v1",
            "Secret",
            f"{{namespace: .metadata.namespace, name: .metadata.name, {KEYS}}}",
            labels=((SOURCE_LABEL, "true"),),
        ),
        Binding(
            "native-peers",
            NATIVE_PEERS,
            "BGPPeer",
            f"{{namespace: .metadata.namespace, {IDENTITY}}}"
            " + (.spec | {passwordSecret, tcpAuthentication})",
        ),
        Binding(
            "own-secrets",
            "v1",
            "Secret",
            f"{{namespace: .metadata.namespace, name: .metadata.name, type, {KEYS}}}",
            namespace=NAMESPACE,
        ),
        Binding(
            "native-secrets",
            "v1",
            "Secret",
            f"{{namespace: .metadata.namespace, name: .metadata.name, type, {KEYS}}}",
            namespace=UPSTREAM_NAMESPACE,
        ),
    ),
)

if __name__ == "__main__":
    run(CONFIG, bgp_references)
