#!/usr/bin/env python3
"""Holds no child of Deckhouse's own module any more when this one has been disabled."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.deckhouse_children import children_release
from metallb.hook.bindings import COUNTED_SERVICES, OLD_KIND
from metallb.hook.config import HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(after_delete_helm=20, bindings=(OLD_KIND, COUNTED_SERVICES))

if __name__ == "__main__":
    run(CONFIG, children_release)
