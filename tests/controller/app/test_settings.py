"""Settings from arguments and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from metallb.api.classes import Rebalancing, RebalancingPolicy
from metallb_controller.app.netbox import NetBoxSettings
from metallb_controller.app.settings import read_settings
from metallb_controller.ipam.netbox import Labels


def test_in_a_pod_nothing_need_be_said() -> None:
    found = read_settings([], {"POD_NAME": "controller-7", "POD_NAMESPACE": "lb"})
    assert (found.identity, found.namespace) == ("controller-7", "lb")
    assert (found.kubeconfig, found.metrics_host, found.metrics_port) == (None, "127.0.0.1", 7472)
    assert (found.log_level, found.concurrent_writes) == ("info", 64)
    election = found.election
    assert (election.lease_seconds, election.retry_seconds, election.margin_seconds) == (9, 1.5, 2)


def test_elsewhere_the_host_names_the_replica() -> None:
    found = read_settings([], {})
    assert found.identity
    assert found.namespace == "d8-metallb"


def test_arguments_are_stronger_than_the_environment() -> None:
    found = read_settings(
        ["--identity", "x", "--namespace", "y", "--kubeconfig", "/k", "--metrics-host", "::",
         "--metrics-port", "0", "--log-level", "debug", "--concurrent-writes", "4",
         "--lease-seconds", "45", "--lease-retry-seconds", "5"],
        {"POD_NAME": "controller-7", "POD_NAMESPACE": "lb"},
    )  # fmt: skip
    assert (found.identity, found.namespace, found.kubeconfig) == ("x", "y", "/k")
    assert (found.metrics_host, found.metrics_port, found.log_level) == ("::", 0, "debug")
    assert found.concurrent_writes == 4
    assert (found.election.lease_seconds, found.election.margin_seconds) == (45, 10)


def test_there_is_no_webhook_unless_it_is_wanted() -> None:
    assert read_settings([], {}).webhook_port is None
    found = read_settings(["--webhook-port", "8443", "--webhook-cert-dir", "/tls"], {})
    assert (found.webhook_host, found.webhook_port) == ("0.0.0.0", 8443)
    assert found.webhook_cert_dir == Path("/tls")
    assert not found.manages_webhook_certificate
    found = read_settings(["--webhook-port", "8443", "--manage-webhook-certificate"], {})
    assert found.manages_webhook_certificate


def test_what_classes_do_not_say_is_said_by_the_settings() -> None:
    assert read_settings([], {}).rebalancing == Rebalancing()
    found = read_settings(
        ["--rebalancing-policy", "Never", "--rebalancing-delay-seconds", "3",
         "--rebalancing-moves-per-minute", "7"],
        {},
    )  # fmt: skip
    assert found.rebalancing == Rebalancing(RebalancingPolicy.NEVER, 3, 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rebalancing-policy", "Sometimes"], "invalid choice"),
        (["--lease-seconds", "5"], "at least four times --lease-retry-seconds"),
        (["--log-level", "loud"], "invalid choice"),
        (["--ipam-netbox-url", "https://n"], "needs --ipam-netbox-tag"),
        (["--metrics-port", "web"], "invalid int value"),
        (["--what"], "unrecognized arguments"),
    ],
)
def test_what_is_wrong_is_told(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments, {})
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_an_ipam_is_off_unless_it_is_named() -> None:
    assert read_settings([], {}).netbox is None
    given = ["--ipam-netbox-url=https://n", "--ipam-netbox-tag=k8s", "--ipam-secret-dir=/s"]
    found = read_settings([*given, "--ipam-interval-seconds=30"], {})
    assert found.netbox == NetBoxSettings("https://n", Labels("k8s"), Path("/s"))
    assert found.ipam_interval_seconds == 30
    found = read_settings([*given, "--ipam-netbox-vrf-id=3"], {})
    assert found.netbox is not None
    assert found.netbox.labels.vrf_id == 3
