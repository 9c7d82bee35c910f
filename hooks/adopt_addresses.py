#!/usr/bin/env python3
"""Enters in the ledger the addresses that Deckhouse's own module has given to Services."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.adoption import adoption
from metallb.hook.bindings import (
    MODULE_CONFIG_WITHOUT_PASSWORDS,
    NAME,
    OLD_KIND,
    OURS,
    SERVICES,
    VIRTUAL_IPS,
)
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    before_helm=10,
    bindings=(
        OLD_KIND,
        SERVICES,
        VIRTUAL_IPS,
        replace(MODULE_CONFIG_WITHOUT_PASSWORDS, is_silent=True),
        Binding("classes", OURS, "MetalLoadBalancerClass", NAME, is_silent=True),
        Binding(
            "pools",
            OURS,
            "MetalLoadBalancerPool",
            "{name: .metadata.name, addresses: .spec.addresses}",
            is_silent=True,
        ),
    ),
)

if __name__ == "__main__":
    run(CONFIG, adoption)
