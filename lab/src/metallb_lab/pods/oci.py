"""A container as runc wants it: an OCI configuration (specs-go 1.0).

Rights are given as container runtimes give them: a default set of capabilities, less those dropped,
more those added; a user that is not root loses them when it is started. `RuntimeDefault` is the
list of system calls in `metallb_lab.pods.seccomp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.pods import seccomp
from metallb_lab.pods.errors import NotYetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metallb_lab.pods.model import ContainerSpec, Security

DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
    "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
"""What containerd gives."""

MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SYSTEM_MOUNTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        "/dev/pts", "devpts", "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
)  # fmt: skip
KEEP_REAL_TIME = (
    'read -r state; pid=${state#*\\"pid\\":}; pid=${pid%%[!0-9]*}; '
    'to=/sys/fs/cgroup/cpu/cgroup.procs; if [ -w "$to" ]; then echo "$pid" > "$to"; fi'
)
"""A hook: under RT_GROUP_SCHED a new group has no real time, and the root has all that there is."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the node in a container."""

    source: Path
    path: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container gets from its node."""

    root: Path
    network: Path
    """Its network namespace."""
    host_name: str
    cgroup: str
    user: int
    group: int
    binds: Sequence[Bind] = ()


def configuration(
    container: ContainerSpec,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    around: Surroundings,
) -> dict[str, Any]:
    """Make the configuration; raises NotYetError."""
    security = container.security
    if security.must_be_non_root and around.user == 0:
        raise NotYetError("CreateContainerConfigError", "runAsNonRoot, and the user is root")
    memory = {} if container.memory_bytes is None else {"limit": container.memory_bytes}
    linux: dict[str, Any] = {
        "cgroupsPath": around.cgroup,
        "namespaces": [
            *({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
            {"type": "network", "path": str(around.network)},
        ],
        "resources": {"devices": [{"allow": False, "access": "rwm"}], "memory": memory},
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
    }
    if security.has_seccomp:
        linux["seccomp"] = seccomp.RUNTIME_DEFAULT
    hook = {"path": "/bin/sh", "args": ["sh", "-c", KEEP_REAL_TIME]}
    return {
        "ociVersion": "1.0.2",
        "process": _process(container, arguments, environment, around),
        "root": {"path": str(around.root), "readonly": security.is_root_read_only},
        "hostname": around.host_name,
        "mounts": [*_system_mounts(), *(_bind(item) for item in around.binds)],
        "hooks": {"createRuntime": [hook]},
        "linux": linux,
    }


def _process(
    container: ContainerSpec,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    around: Surroundings,
) -> dict[str, Any]:
    security = container.security
    allowed = capabilities(security)
    return {
        "terminal": False,
        "user": {"uid": around.user, "gid": around.group},
        "args": list(arguments),
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": container.working_directory,
        "noNewPrivileges": not security.may_gain_privileges,
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), allowed),
    }


def capabilities(security: Security) -> list[str]:
    """Give the capabilities of a container."""
    added, dropped = _names(security.added), _names(security.dropped)
    kept = set() if "ALL" in dropped else set(DEFAULT_CAPABILITIES) - dropped
    return [f"CAP_{name}" for name in sorted(kept | added)]


def _names(given: Sequence[str]) -> set[str]:
    return {name.upper().removeprefix("CAP_") for name in given}


def _system_mounts() -> list[dict[str, Any]]:
    return [
        {"destination": path, "type": kind, "source": source, "options": list(options)}
        for path, kind, source, options in SYSTEM_MOUNTS
    ]


def _bind(bind: Bind) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if bind.is_read_only else "rw"]
    return {
        "destination": bind.path, "type": "bind", "source": str(bind.source), "options": options,
    }  # fmt: skip
