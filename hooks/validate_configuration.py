#!/usr/bin/env python3
"""Reports what is wrong in the module's settings beyond what the platform refuses."""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.configuration import configuration
from metallb.hook.bindings import MODULE_CONFIG_WITHOUT_PASSWORDS, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run
from metallb.hook.schema import read_schema

MODULE = Path(__file__).resolve().parents[1]

CONFIG = HookConfig(
    queue="configuration",
    bindings=(
        MODULE_CONFIG_WITHOUT_PASSWORDS,
        Binding(
            "classes",
            OURS,
            "MetalLoadBalancerClass",
            "{name: .metadata.name, nodeSelector: (.spec.nodeSelector // {})}",
        ),
        Binding(
            "nodes",
            "v1",
            "Node",
            "{name: .metadata.name, labels: (.metadata.labels // {}), taints: .spec.taints}",
        ),
    ),
)

if __name__ == "__main__":
    run(CONFIG, partial(configuration, schema=read_schema(MODULE)))
