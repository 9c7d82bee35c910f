"""Settings of the controller process, from its arguments and environment."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from metallb.api.classes import Rebalancing, RebalancingPolicy
from metallb.kube.election import ElectionSettings
from metallb_controller.app.netbox import NetBoxSettings
from metallb_controller.ipam.netbox import Labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


CONCURRENT_WRITES = 64
"""A real API server takes more writes a second from so many connections than from half as many."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this controller runs."""

    namespace: str
    """Namespace of the module: leases and the speakers' roll are there."""
    identity: str
    """Name of this replica, unique among them: the pod's name."""
    kubeconfig: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 7472
    log_level: str = "info"
    webhook_host: str = "0.0.0.0"
    webhook_port: int | None = None
    """Port of the admission webhook; None: there is none."""
    webhook_cert_dir: Path = Path("/etc/metallb/webhook-tls")
    """Where `tls.crt` and `tls.key` of the webhook are."""
    manages_webhook_certificate: bool = False
    """Whether the controller makes them itself, as nobody else does."""
    rebalancing: Rebalancing = field(default_factory=Rebalancing)
    """What holds for classes that do not say it themselves."""
    load_balancer_class: str = ""
    """`spec.loadBalancerClass` of the Services that MetalLB's pools serve; empty: those without."""
    netbox: NetBoxSettings | None = None
    """The IPAM that is kept told of our addresses; None: there is none."""
    ipam_interval_seconds: float = 60.0
    """How often all that it says is read."""
    concurrent_writes: int = CONCURRENT_WRITES
    election: ElectionSettings = field(default_factory=ElectionSettings)
    lease_name: str = "metallb-controller"


def read_settings(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; exits with a message when an argument is wrong."""
    environment = os.environ if environment is None else environment
    parser = argparse.ArgumentParser(prog="metallb-controller", description=__doc__)
    parser.add_argument("--kubeconfig", help="path; not needed in a pod")
    parser.add_argument("--namespace", default=environment.get("POD_NAMESPACE", "d8-metallb"))
    parser.add_argument("--identity", default=environment.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--metrics-host", default="127.0.0.1")
    parser.add_argument("--metrics-port", type=int, default=7472, help="0: any free port")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    parser.add_argument("--webhook-host", default="0.0.0.0")
    parser.add_argument("--webhook-port", type=int, help="admission by HTTPS; none without it")
    parser.add_argument("--webhook-cert-dir", type=Path, default=Path("/etc/metallb/webhook-tls"))
    parser.add_argument(
        "--manage-webhook-certificate", action="store_true",
        help="make the certificate ourselves, in a Secret; --webhook-cert-dir is not read then",
    )  # fmt: skip
    parser.add_argument(
        "--rebalancing-policy", default=RebalancingPolicy.AUTOMATIC.value,
        choices=[item.value for item in RebalancingPolicy], help="of classes that say nothing",
    )  # fmt: skip
    parser.add_argument("--rebalancing-delay-seconds", type=int, default=10)
    parser.add_argument("--rebalancing-moves-per-minute", type=int, default=60)
    parser.add_argument(
        "--load-balancer-class", "--lb-class", default="",
        help="that of the Services which pools serve; without it, of those that have none",
    )  # fmt: skip
    _add_ipam(parser)
    parser.add_argument("--concurrent-writes", type=int, default=CONCURRENT_WRITES)
    parser.add_argument("--lease-seconds", type=float, default=9.0)
    parser.add_argument("--lease-retry-seconds", type=float, default=1.5)
    given = parser.parse_args(arguments)
    if given.lease_seconds < 4 * given.lease_retry_seconds:
        parser.error("--lease-seconds must be at least four times --lease-retry-seconds")
    if given.ipam_netbox_url and not given.ipam_netbox_tag:
        parser.error("--ipam-netbox-url needs --ipam-netbox-tag, which nobody else's objects have")
    election = ElectionSettings(
        lease_seconds=given.lease_seconds,
        retry_seconds=given.lease_retry_seconds,
        margin_seconds=given.lease_seconds / 4.5,
    )
    return Settings(
        namespace=given.namespace,
        identity=given.identity,
        kubeconfig=given.kubeconfig,
        metrics_host=given.metrics_host,
        metrics_port=given.metrics_port,
        log_level=given.log_level,
        webhook_host=given.webhook_host,
        webhook_port=given.webhook_port,
        webhook_cert_dir=given.webhook_cert_dir,
        manages_webhook_certificate=given.manage_webhook_certificate,
        rebalancing=Rebalancing(
            RebalancingPolicy(given.rebalancing_policy),
            given.rebalancing_delay_seconds,
            given.rebalancing_moves_per_minute,
        ),
        load_balancer_class=given.load_balancer_class,
        netbox=_netbox(given),
        ipam_interval_seconds=given.ipam_interval_seconds,
        concurrent_writes=given.concurrent_writes,
        election=election,
    )


def _add_ipam(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ipam-netbox-url", default="", help="of NetBox, without /api; none: off")
    parser.add_argument("--ipam-netbox-tag", default="", help="slug; each cluster has its own")
    parser.add_argument("--ipam-netbox-vrf-id", type=int, help="without it: the global table")
    parser.add_argument(
        "--ipam-secret-dir", type=Path, default=Path("/etc/metallb/ipam"),
        help="has the files token and, if NetBox needs it, ca.crt",
    )  # fmt: skip
    parser.add_argument("--ipam-interval-seconds", type=float, default=60.0)


def _netbox(given: argparse.Namespace) -> NetBoxSettings | None:
    if not given.ipam_netbox_url:
        return None
    labels = Labels(given.ipam_netbox_tag, given.ipam_netbox_vrf_id)
    return NetBoxSettings(given.ipam_netbox_url, labels, given.ipam_secret_dir)
