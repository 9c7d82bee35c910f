#!/usr/bin/env python3
"""Deletes the CRD `addresspools.metallb.io`, which nothing has read for years."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.dead_kinds import metallb_kind_removal
from metallb.hook.config import HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(on_startup=10)

if __name__ == "__main__":
    run(CONFIG, metallb_kind_removal)
