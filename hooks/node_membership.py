#!/usr/bin/env python3
"""Labels the nodes that classes select: there the speakers of the L2 mode run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.membership import node_membership
from metallb.hook.bindings import NODES, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    queue="node-membership",
    before_helm=15,
    bindings=(
        Binding(
            "classes", OURS, "MetalLoadBalancerClass", "{nodeSelector: (.spec.nodeSelector // {})}"
        ),
        NODES,
    ),
)

if __name__ == "__main__":
    run(CONFIG, node_membership)
