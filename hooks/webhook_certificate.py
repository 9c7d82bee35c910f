#!/usr/bin/env python3
"""Keeps the certificate of the admission webhook in the values, from which the chart takes it."""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.decisions import NAMESPACE
from metallb.domain.webhook_certificate import SECRET, webhook_certificate
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run
from metallb.tls.certificates import is_good, make_pair

CONFIG = HookConfig(
    queue="webhook-certificate",
    before_helm=5,
    crontab="42 4 * * *",
    bindings=(
        Binding(
            "secret",
            "v1",
            "Secret",
            '.data // {} | {ca: ."ca.crt", crt: ."tls.crt", key: ."tls.key"}',
            namespace=NAMESPACE,
            names=(SECRET,),
        ),
    ),
)

if __name__ == "__main__":
    run(CONFIG, partial(webhook_certificate, is_good=is_good, make=make_pair))
