#!/usr/bin/env python3
"""Makes classes of the L2 pools of settings of version 1, and adopts the Services on them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.decisions import NAMESPACE
from metallb.domain.layer2_migration import layer2_migration
from metallb.hook.bindings import (
    MODULE_CONFIG_WITHOUT_PASSWORDS,
    NATIVE,
    OURS,
    SERVICES,
    VIRTUAL_IPS,
)
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

GENERATED = '(.metadata.labels."auto-generated-by" == "d8-migration-hook")'

CONFIG = HookConfig(
    before_helm=5,
    bindings=(
        MODULE_CONFIG_WITHOUT_PASSWORDS,
        SERVICES,
        VIRTUAL_IPS,
        Binding(
            "classes",
            OURS,
            "MetalLoadBalancerClass",
            f"{{name: .metadata.name, generated: {GENERATED}, spec: .spec}}",
            is_silent=True,
        ),
        Binding(
            "native-pools",
            NATIVE,
            "IPAddressPool",
            '{name: .metadata.name, generated: (.metadata.labels.heritage == "deckhouse"),'
            " addresses: .spec.addresses}",
            namespace=NAMESPACE,
            is_silent=True,
        ),
        Binding(
            "native-advertisements",
            NATIVE,
            "L2Advertisement",
            'select(.metadata.labels.heritage != "deckhouse")'
            " | {name: .metadata.name, uid: .metadata.uid}"
            " + (.spec | {ipAddressPools, interfaces, nodeSelectors})",
            namespace=NAMESPACE,
            is_silent=True,
        ),
    ),
)

if __name__ == "__main__":
    run(CONFIG, layer2_migration)
