"""The page of metrics is what the programs give, and all that rules ask for is on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest

from metallb.domain.hook_metrics import HookMetric
from module.monitoring.page import Row, chapters, names_in, series
from module.monitoring.rules import all_alerts, promtool_reads
from support.registries import controller_registry, speaker_registry

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from module.monitoring.rules import Alert

OF_OTHERS = {
    "up",
    "kube_deployment_status_replicas_available",
    "kube_daemonset_status_desired_number_scheduled",
    "kube_daemonset_status_number_unavailable",
}
"""Series of Prometheus itself and of kube-state-metrics, which every platform has."""

COUNTS = {
    "metallb_controller_addresses_free", "metallb_controller_addresses_not_announced",
    "metallb_controller_nodes_eligible", "metallb_controller_nodes_refused",
    "metallb_controller_queued_writes", "metallb_controller_services_undecided",
    "metallb_controller_services_waiting", "metallb_controller_speakers_present",
    "metallb_ipam_conflicts", "metallb_ipam_foreign_addresses", "metallb_ipam_objects",
}  # fmt: skip
"""Gauges whose name says what they count."""

STATES = {
    "metallb_controller_leader", "metallb_controller_pool_problem",
    "metallb_speaker_address_conflict", "metallb_speaker_announced", "metallb_speaker_peer_alive",
    "metallb_speaker_state",
}  # fmt: skip
"""Gauges that are 1 or 0."""

OF_METALLB = re.compile(r"metallb_(allocator|layer2|k8s|bgp|bfd)_\w+|metallb_speaker_announced")
"""Names that keep MetalLB's ends, whatever the customs of the format say of them."""

REGISTRIES = {"The controller": controller_registry, "The speaker": speaker_registry}
programs = pytest.mark.parametrize("title", REGISTRIES)


def _given(registry: CollectorRegistry) -> dict[str, Row]:
    rows = {}
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        kind = "untyped" if family.type == "unknown" else family.type
        rows[name] = Row(name, tuple(sorted(labels)), kind, family.documentation)
    return rows


@programs
def test_the_page_is_what_the_program_gives(title: str) -> None:
    given = _given(REGISTRIES[title]())
    page = {row.name: row for row in (*chapters()[title], *chapters()["Both"])}
    assert page == given


@programs
def test_every_metric_has_a_series_here(title: str) -> None:
    """Else its labels would be compared with nothing."""
    assert not [family.name for family in REGISTRIES[title]().collect() if not family.samples]


def test_the_page_is_what_hooks_give() -> None:
    assert {row.name for row in chapters()["The hooks"]} == set(map(str, HookMetric))


@programs
def test_names_say_what_is_counted(title: str) -> None:
    for row in chapters()[title]:
        assert row.help.endswith("."), row.name
        if row.name in COUNTS | STATES or OF_METALLB.fullmatch(row.name):
            continue
        ends = {"counter": "_total", "gauge": "_timestamp_seconds", "histogram": "_seconds"}
        assert row.name.endswith(ends[row.kind]), row.name


def test_labels_are_few() -> None:
    labels = {label for title in REGISTRIES for row in chapters()[title] for label in row.labels}
    assert labels == {
        "direction", "family", "ip", "kind", "node", "outcome", "peer", "pool", "protocol",
        "reason", "service", "state", "vrf",
    }  # fmt: skip
    by_service = [r.name for t in REGISTRIES for r in chapters()[t] if "service" in r.labels]
    assert by_service == ["metallb_speaker_announced"]


@pytest.mark.real
@programs
def test_prometheus_reads_it_and_finds_no_fault_but_metallbs(title: str) -> None:
    said = promtool_reads(generate_latest(REGISTRIES[title]()).decode())
    names = {line.split()[0] for line in said}
    assert {name for name in names if not OF_METALLB.fullmatch(name)} == set()


@pytest.mark.real
def test_prometheus_finds_faults() -> None:
    assert promtool_reads("# TYPE metallb_x_total gauge\nmetallb_x_total 1\n")


@pytest.mark.parametrize("alert", all_alerts(), ids=lambda alert: alert.name)
def test_alerts_ask_for_what_there_is(alert: Alert) -> None:
    names = names_in(alert.rule["expr"])
    assert names
    assert names <= series() | OF_OTHERS


def test_what_is_asked_for_is_found_in_an_expression() -> None:
    expression = 'sum by (pool_x) (rate(a_b{c_d="e_f"}[5m])) / on (g_h) label_replace(up, "i_j")'
    assert names_in(expression) == {"a_b", "up"}
