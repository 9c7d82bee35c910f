#!/usr/bin/env python3
"""Makes objects of the BGP settings that a ModuleConfig before version 3 has."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.bgp_migration import bgp_migration
from metallb.domain.decisions import PLATFORM_NAMESPACE
from metallb.hook.bindings import MODULE_CONFIG, NAME, NODES, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    before_helm=10,
    bindings=(
        MODULE_CONFIG,
        replace(NODES, is_silent=True),
        Binding("pools", OURS, "MetalLoadBalancerPool", NAME, is_silent=True),
        Binding(
            "peers",
            OURS,
            "MetalLoadBalancerBGPPeer",
            "{name: .metadata.name, passwordSecretRef: .spec.passwordSecretRef}",
            is_silent=True,
        ),
        Binding("configurations", OURS, "MetalLoadBalancerConfiguration", NAME, is_silent=True),
        Binding("secrets", "v1", "Secret", NAME, namespace=PLATFORM_NAMESPACE, is_silent=True),
    ),
)

if __name__ == "__main__":
    run(CONFIG, bgp_migration)
