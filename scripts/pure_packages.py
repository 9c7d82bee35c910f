"""The pure packages: no I/O, no clock, no chance. One list, for the coverage gate and for the test
that the import contracts in `pyproject.toml` cover them all.
"""

from __future__ import annotations

PURE_PACKAGES = {
    "metallb.net": "tests/lib/net",
    "metallb.api": "tests/lib/api",
    "metallb.domain": "tests/lib/domain",
    "metallb_controller.admission": "tests/controller/admission",
    "metallb_controller.allocator": "tests/controller/allocator",
    "metallb_controller.placement": "tests/controller/placement",
    "metallb_controller.reconcile": "tests/controller/reconcile",
    "metallb_controller.ipam": "tests/controller/ipam",
    "metallb_controller.migrate": "tests/controller/migrate",
    "metallb_speaker.bgp": "tests/speaker/bgp",
    "metallb_speaker.l2": "tests/speaker/l2",
    "metallb_speaker.liveness": "tests/speaker/liveness",
    "metallb_speaker.routes": "tests/speaker/routes",
    "metallb_speaker.announce": "tests/speaker/announce",
    "metallb_speaker.bfd": "tests/speaker/bfd",
}
"""Package -> the directory of its own tests."""
