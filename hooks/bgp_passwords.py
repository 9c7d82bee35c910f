#!/usr/bin/env python3
"""Brings the Secrets with passwords of BGP sessions to the module's namespace."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.bgp_passwords import COPY_LABEL, SECRET_TYPE, SOURCE_LABEL, bgp_passwords
from metallb.domain.decisions import NAMESPACE, UPSTREAM_NAMESPACE
from metallb.hook.bindings import NAMESPACE_OF_MODULE, NATIVE_PEERS, OURS
from metallb.hook.config import Binding, HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    queue="bgp-passwords",
    after_helm=20,
    bindings=(
        Binding(
            "peers",
            OURS,
            "MetalLoadBalancerBGPPeer",
            ".spec | {passwordSecretRef, tcpAuthentication}",
        ),
        Binding(
            "secrets",
            "v1",
            "Secret",
            "{namespace: .metadata.namespace, name: .metadata.name, data: .data}",
            labels=((SOURCE_LABEL, "true"),),
        ),
        Binding(
            "native-peers",
            NATIVE_PEERS,
            "BGPPeer",
            "{namespace: .metadata.namespace} + (.spec | {passwordSecret, tcpAuthentication})",
        ),
        Binding(
            "native-secrets",
            "v1",
            "Secret",
            f'select(.type == "{SECRET_TYPE}")'
            " | {namespace: .metadata.namespace, name: .metadata.name, data: .data}",
            namespace=UPSTREAM_NAMESPACE,
        ),
        Binding(
            "copies",
            "v1",
            "Secret",
            "{name: .metadata.name, data: .data}",
            namespace=NAMESPACE,
            labels=((COPY_LABEL, "true"),),
        ),
        NAMESPACE_OF_MODULE,
    ),
)

if __name__ == "__main__":
    run(CONFIG, bgp_passwords)
