#!/usr/bin/env python3
"""Keeps the Secret with the keys of the speakers' heartbeats, and changes the keys in time."""

import secrets
import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.decisions import NAMESPACE
from metallb.domain.heartbeat_keys import (
    KEY_BYTES,
    PHASE_ANNOTATION,
    SECRET,
    SINCE_ANNOTATION,
    heartbeat_keys,
)
from metallb.hook.bindings import NAMESPACE_OF_MODULE
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    queue="heartbeat-keys",
    after_helm=10,
    crontab="*/15 * * * *",
    bindings=(
        Binding(
            "secret",
            "v1",
            "Secret",
            "{"
            "keys: .data.keys,"
            f'phase: .metadata.annotations."{PHASE_ANNOTATION}",'
            f'since: .metadata.annotations."{SINCE_ANNOTATION}"'
            "}",
            namespace=NAMESPACE,
            names=(SECRET,),
        ),
        NAMESPACE_OF_MODULE,
    ),
)

if __name__ == "__main__":
    run(CONFIG, partial(heartbeat_keys, new_key=partial(secrets.token_hex, KEY_BYTES)))
