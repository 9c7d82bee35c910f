"""Settings of the speaker's processes, from arguments and environment."""

from __future__ import annotations

import argparse
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from metallb_speaker.io.links import EXCLUDED
from metallb_speaker.liveness.settings import LivenessSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY_BYTES_LEAST = 16

CONFIGURATION_EXIT = 2
"""Exit code of a process that cannot work as it is set up; it is not started again."""


@dataclass(frozen=True, slots=True)
class BgpSettings:
    """What holds for peers that do not say it; times in seconds, or as their names say."""

    listen_port: int = 0
    """Where peers may dial us; 0: nowhere. Another BGP on the node may have 179 already."""
    hold_seconds: int = 90
    connect_seconds: int = 10
    bfd_receive_milliseconds: int = 300
    bfd_transmit_milliseconds: int = 300
    bfd_echo_milliseconds: int = 50
    bfd_multiplier: int = 3
    bmp_collector: tuple[str, int] | None = None
    """Host and port of a BMP collector that is told of sessions and routes."""
    drain_seconds: float = 2.0
    """How long routers have to find other ways before an excluded node withdraws its routes."""
    kube_proxy_wait_seconds: float = 5.0
    """How long a VIP waits for kube-proxy's rules (policy Local) before it is announced anyway."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this speaker runs."""

    node: str
    namespace: str
    kubeconfig: str | None
    key_file: Path
    """Heartbeat keys, one a line; the first one signs, any is accepted."""
    control_socket: Path
    heartbeat_port: int = 4225
    excluded_interfaces: str = EXCLUDED
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 7474
    log_level: str = "info"
    realtime_priority: int = 10
    """SCHED_FIFO priority of the reflex process; 0: ordinary scheduling."""
    liveness: LivenessSettings = field(default_factory=LivenessSettings)
    bgp: BgpSettings = field(default_factory=BgpSettings)


class KeyFileError(Exception):
    """The heartbeat keys cannot be read; the message says what is wrong with which file."""


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Read the heartbeat keys; raises KeyFileError."""
    try:
        keys = tuple(line.strip() for line in path.read_bytes().splitlines() if line.strip())
    except OSError as error:
        raise KeyFileError(f"heartbeat keys: {error}") from error
    if not keys:
        raise KeyFileError(f"heartbeat keys: {path} is empty")
    if short := [len(key) for key in keys if len(key) < KEY_BYTES_LEAST]:
        raise KeyFileError(
            f"heartbeat keys: one in {path} has {short[0]} bytes; at least {KEY_BYTES_LEAST} wanted"
        )
    return keys


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Make the parser that all three processes share."""
    parser = argparse.ArgumentParser(prog="metallb-speaker")
    parser.add_argument("--node-name", default=environment.get("NODE_NAME") or socket.gethostname())
    parser.add_argument("--namespace", default=environment.get("POD_NAMESPACE", "d8-metallb"))
    parser.add_argument("--kubeconfig", help="path; not needed in a pod")
    parser.add_argument("--key-file", type=Path, default=Path("/etc/metallb/heartbeat/keys"))
    parser.add_argument("--control-socket", type=Path, default=Path("/run/metallb/reflex.sock"))
    parser.add_argument("--heartbeat-port", type=int, default=4225)
    parser.add_argument("--heartbeat-milliseconds", type=int, default=50)
    parser.add_argument("--heartbeat-multiplier", type=int, default=3)
    parser.add_argument("--hold-down-seconds", type=float, default=2.0)
    parser.add_argument("--exclude-interfaces", default=EXCLUDED, help="regular expression")
    parser.add_argument("--bgp-listen-port", type=int, default=0, help="0: peers cannot dial us")
    parser.add_argument("--bgp-hold-seconds", type=int, default=90)
    parser.add_argument("--bgp-connect-seconds", type=int, default=10)
    parser.add_argument("--bgp-drain-seconds", type=float, default=2.0, help="0: withdraw at once")
    parser.add_argument(
        "--bgp-kube-proxy-wait-seconds", type=float, default=5.0, help="0: do not wait for rules"
    )
    parser.add_argument("--bmp-collector", metavar="HOST:PORT", help="nobody is told without it")
    parser.add_argument("--bfd-receive-milliseconds", type=int, default=300)
    parser.add_argument("--bfd-transmit-milliseconds", type=int, default=300)
    parser.add_argument("--bfd-multiplier", type=int, default=3)
    parser.add_argument("--metrics-host", default="127.0.0.1")
    parser.add_argument("--metrics-port", type=int, default=7474, help="0: any free port")
    parser.add_argument("--realtime-priority", type=int, default=10, help="0: none")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    return parser


def read_settings(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; exits with a message when an argument is wrong."""
    parser = argument_parser(os.environ if environment is None else environment)
    given = parser.parse_args(arguments)
    if not 5 <= given.heartbeat_milliseconds <= 10_000:
        parser.error("--heartbeat-milliseconds must be from 5 to 10000")
    if not 2 <= given.heartbeat_multiplier <= 50:
        parser.error("--heartbeat-multiplier must be from 2 to 50")
    try:
        re.compile(given.exclude_interfaces)
    except re.error as error:
        parser.error(f"--exclude-interfaces is no regular expression: {error}")
    _check_bgp(parser, given)
    interval = given.heartbeat_milliseconds / 1000
    return Settings(
        node=given.node_name,
        namespace=given.namespace,
        kubeconfig=given.kubeconfig,
        key_file=given.key_file,
        control_socket=given.control_socket,
        heartbeat_port=given.heartbeat_port,
        excluded_interfaces=given.exclude_interfaces,
        metrics_host=given.metrics_host,
        metrics_port=given.metrics_port,
        log_level=given.log_level,
        realtime_priority=given.realtime_priority,
        liveness=LivenessSettings(
            interval_seconds=interval,
            multiplier=given.heartbeat_multiplier,
            startup_seconds=2 * interval * given.heartbeat_multiplier,
            hold_down_seconds=given.hold_down_seconds,
        ),
        bgp=BgpSettings(
            listen_port=given.bgp_listen_port,
            hold_seconds=given.bgp_hold_seconds,
            connect_seconds=given.bgp_connect_seconds,
            bfd_receive_milliseconds=given.bfd_receive_milliseconds,
            bfd_transmit_milliseconds=given.bfd_transmit_milliseconds,
            bfd_multiplier=given.bfd_multiplier,
            drain_seconds=given.bgp_drain_seconds,
            kube_proxy_wait_seconds=given.bgp_kube_proxy_wait_seconds,
            bmp_collector=_collector(parser, given.bmp_collector),
        ),
    )


def _collector(parser: argparse.ArgumentParser, text: str | None) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        parser.error("--bmp-collector must be a host and a port, with a colon between them")
    return host.strip("[]"), int(port)


def _check_bgp(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    for name, low, high in (
        ("bgp_listen_port", 0, 65_535),
        ("bgp_connect_seconds", 1, 65_535),
        ("bgp_drain_seconds", 0, 300),
        ("bgp_kube_proxy_wait_seconds", 0, 300),
        ("bfd_receive_milliseconds", 10, 60_000),
        ("bfd_transmit_milliseconds", 10, 60_000),
        ("bfd_multiplier", 2, 255),
    ):
        if not low <= getattr(given, name) <= high:
            parser.error(f"--{name.replace('_', '-')} must be from {low} to {high}")
    if given.bgp_hold_seconds and not 3 <= given.bgp_hold_seconds <= 65_535:
        parser.error("--bgp-hold-seconds must be 0, or from 3 to 65535")
