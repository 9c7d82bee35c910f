#!/usr/bin/env python3
"""Gives metrics of Services whose annotations do nothing, or whose class is gone."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.service_alerts import UNSUPPORTED, service_alerts
from metallb.hook.bindings import NAME, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

UNSUPPORTED_JSON = json.dumps(UNSUPPORTED)

CONFIG = HookConfig(
    queue="alerts",
    bindings=(
        Binding(
            "services",
            "v1",
            "Service",
            f"""
            select(.spec.type == "LoadBalancer")
            | {{
                name: .metadata.name,
                namespace: .metadata.namespace,
                annotations: (.metadata.annotations // {{}} | keys - (keys - {UNSUPPORTED_JSON})),
                class: (
                  .status.conditions // []
                  | map(select(.type == "network.deckhouse.io/load-balancer-class"
                               and .reason != "LoadBalancerClassUnknown"))
                  | first | .message
                )
              }}
            """,
        ),
        Binding("classes", OURS, "MetalLoadBalancerClass", NAME),
    ),
)

if __name__ == "__main__":
    run(CONFIG, service_alerts)
