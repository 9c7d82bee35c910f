#!/usr/bin/env python3
"""Takes the label of members off the nodes when the module has been disabled.

What stays then, on purpose: the CRDs and all objects of users, and with them the VirtualIPs, so
that the same Services get the same addresses when the module is enabled again; the addresses in
the status of Services (nobody announces them any more); Secrets of users. The namespace goes with
the release, and with it all Secrets that hooks made in it. Were the operator to give no snapshot
at this moment, the label would stay too: it does nothing, and the next start puts it right.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "lib" / "python" / "dist"))

from metallb.domain.membership import no_membership
from metallb.hook.bindings import NODES
from metallb.hook.config import HookConfig
from metallb.hook.runner import run

CONFIG = HookConfig(
    queue="node-membership", after_delete_helm=10, bindings=(replace(NODES, is_silent=True),)
)

if __name__ == "__main__":
    run(CONFIG, no_membership)
