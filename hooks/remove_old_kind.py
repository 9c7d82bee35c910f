#!/usr/bin/env python3
"""Deletes the internal kind of Deckhouse's own module, after the release without its objects."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.dead_kinds import deckhouse_kind_removal
from metallb.hook.bindings import OLD_KIND
from metallb.hook.config import HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(after_helm=30, bindings=(OLD_KIND,))

if __name__ == "__main__":
    run(CONFIG, deckhouse_kind_removal)
