#!/usr/bin/env python3
"""Holds the children of Deckhouse's own module until the controller has adopted their addresses."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.deckhouse_children import children_hold
from metallb.hook.bindings import COUNTED_SERVICES, OLD_KIND
from metallb.hook.config import HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    before_helm=11,
    bindings=(
        # what is being deleted takes no finalizer
        replace(OLD_KIND, jq=f"select(.metadata.deletionTimestamp == null) | {OLD_KIND.jq}"),
        COUNTED_SERVICES,
    ),
)

if __name__ == "__main__":
    run(CONFIG, children_hold)
