"""A pod as the agent understands it: frozen values, read by `metallb_lab.pods.reading`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field of the pod itself."""

    path: str


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A key of a ConfigMap or Secret."""

    kind: str
    name: str
    key: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment: a text that may name others, or where to take it from."""

    name: str
    source: str | FieldRef | KeyRef


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A probe; exactly one of `port` and `command` is there."""

    period_seconds: float = 10.0
    timeout_seconds: float = 1.0
    initial_delay_seconds: float = 0.0
    success_threshold: int = 1
    failure_threshold: int = 3
    scheme: str = ""
    """`HTTP`, `HTTPS`, or empty: only a connection."""
    host: str = ""
    port: int | str | None = None
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Security:
    """Security context of a container, with what it takes from its pod's."""

    user: int | None = None
    """None: the image's."""
    group: int | None = None
    must_be_non_root: bool = False
    is_root_read_only: bool = False
    may_gain_privileges: bool = True
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    has_seccomp: bool = False


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """A volume in a container."""

    volume: str
    path: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    working_directory: str = "/"
    environment: tuple[Variable, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    mounts: tuple[VolumeMount, ...] = ()
    security: Security = Security()
    liveness: ProbeSpec | None = None
    readiness: ProbeSpec | None = None
    startup: ProbeSpec | None = None
    memory_bytes: int | None = None
    message_path: str = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Items:
    """Which keys of a ConfigMap or Secret go where; none named: all, under their own names."""

    kind: str
    name: str
    paths: tuple[tuple[str, str], ...] = ()
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the pod's service account."""

    path: str
    audience: str
    expiration_seconds: int


@dataclass(frozen=True, slots=True)
class DownwardFiles:
    """Fields of the pod as files: path and field."""

    paths: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Files:
    """A volume whose files come from the API: ConfigMap, Secret, or several projected into one."""

    sources: tuple[Items | Token | DownwardFiles, ...]
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class EmptyDirectory:
    """A directory that lives as long as the pod."""

    in_memory: bool = False
    size_bytes: int | None = None


Volume = Files | EmptyDirectory


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod."""

    namespace: str
    name: str
    uid: str
    node: str
    containers: tuple[ContainerSpec, ...]
    volumes: Mapping[str, Volume]
    service_account: str
    restart_policy: str = "Always"
    on_host_network: bool = False
    grace_seconds: int = 30
