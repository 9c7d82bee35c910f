"""Whatever the schema of the settings takes, the chart renders, the API server accepts, and the
programs understand.

The settings are the positive cases of `openapi/`, which touch each limit, and words that YAML
might take for something else than words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_controller.app.settings import read_settings as read_controller
from metallb_controller.ipam.netbox import Labels
from metallb_lab.operator.module import load_module
from metallb_speaker.settings import read_settings as read_speaker
from module.templates.rendering import (
    ROOT,
    Case,
    Chart,
    Manifest,
    find,
    parse,
    pod_spec,
    render_text,
    values,
)
from module.templates.test_server import Judge, judge

if TYPE_CHECKING:
    from pathlib import Path

    from metallb_lab.operator.schemas import ModuleSchemas
    from metallb_speaker.settings import BgpSettings

__all__ = ["judge"]

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

MISLEADING = ("true", "no", "null", "1e3", "0x10", "0b1", "007", "1.5", "2026-11-27", "1_000")
CASES: list[dict[str, Any]] = [
    *yaml.safe_load((ROOT / "openapi/openapi-case-tests.yaml").read_text())["positive"][
        "configValues"
    ],
    *({"nodeSelector": {word: word}} for word in MISLEADING),
    *(
        {place: {"tolerations": [toleration]}} if place else {"tolerations": [toleration]}
        for word in MISLEADING
        for place in ("", "speaker")
        for toleration in [{"key": word, "operator": "Equal", "value": word}]
    ),
    *({"l2": {"excludedInterfaces": [word.replace("_", ".")[:15]]}} for word in MISLEADING),
    {"l2": {"excludedInterfaces": ["a.b", "a-b*", "eth0.100*"]}},
]


@cache
def _schemas() -> ModuleSchemas:
    return load_module(ROOT).schemas


def _values(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the values that the operator would make of settings."""
    given = values(Case(vpa=False, bgp=True))
    module = _schemas().config.with_defaults(settings)
    hooks = {name: given["metallb"][name] for name in ("registry", "internal")}
    given["metallb"] = _schemas().values.with_defaults(module | hooks)
    return given


@pytest.fixture(params=CASES, ids=lambda settings: str(settings)[:60])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    assert isinstance(request.param, dict)
    return request.param


@pytest.fixture
def manifests(settings: dict[str, Any], chart: Chart, tmp_path: Path) -> list[Manifest]:
    assert _schemas().config.faults(settings) == []
    return parse(render_text(chart.path, _values(settings), tmp_path))


async def test_what_the_schema_takes(
    judge: Judge, settings: dict[str, Any], manifests: list[Manifest]
) -> None:
    for item in manifests:
        if item["kind"] != "Namespace":
            await judge.accept(item)
    controller = pod_spec(find(manifests, "Deployment", "controller"))
    speaker = pod_spec(find(manifests, "DaemonSet", "speaker"))
    if chosen := settings.get("nodeSelector"):
        assert controller["nodeSelector"] == chosen
    if chosen := settings.get("tolerations"):
        assert controller["tolerations"] == chosen
    assert _ends_with(speaker["tolerations"], settings.get("speaker", {}).get("tolerations", []))
    _check_controller(controller["containers"][0], settings)
    _check_speaker(speaker["containers"][0], settings)


def _ends_with(found: list[Any], wanted: list[Any]) -> bool:
    return found[len(found) - len(wanted) :] == wanted


def _check_controller(container: Manifest, given: dict[str, Any]) -> None:
    told = read_controller(container["args"], {})
    rebalancing = given.get("l2", {}).get("rebalancing", {})
    assert told.log_level == given.get("logLevel", "Info").lower()
    assert told.rebalancing.policy == rebalancing.get("policy", "Automatic")
    assert told.rebalancing.delay_seconds == rebalancing.get("delaySeconds", 10)
    assert told.rebalancing.moves_per_minute == rebalancing.get("movesPerMinute", 60)
    _check_ipam(container, given.get("ipam", {}))
    _check_requests(container, given.get("controller", {}))


def _check_ipam(container: Manifest, given: dict[str, Any]) -> None:
    told, netbox = read_controller(container["args"], {}), given.get("netbox")
    mounts = {item["name"]: item["mountPath"] for item in container.get("volumeMounts", [])}
    if not netbox:
        assert told.netbox is None
        assert "ipam" not in mounts
        return
    assert told.netbox is not None
    assert told.netbox.url == netbox["url"]
    assert told.netbox.labels == Labels(netbox["tag"], netbox.get("vrfID"))
    assert str(told.netbox.secret_dir) == mounts["ipam"]
    assert told.ipam_interval_seconds == given.get("readIntervalSeconds", 60)


def _check_speaker(container: Manifest, given: dict[str, Any]) -> None:
    told = read_speaker(container["args"], {"NODE_NAME": "n1"})
    l2 = given.get("l2", {})
    interval = l2.get("livenessIntervalMilliseconds", 50)
    assert told.liveness.interval_seconds == pytest.approx(interval / 1000)
    assert told.liveness.multiplier == l2.get("livenessMultiplier", 3)
    assert told.liveness.hold_down_seconds == l2.get("holdDownSeconds", 2)
    assert told.realtime_priority == given.get("speaker", {}).get("realtimePriority", 10)
    _check_bgp(told.bgp, given.get("bgp", {}))
    names = l2.get("excludedInterfaces", ["lo", "veth*"])
    beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
    for name in names:
        assert re.search(told.excluded_interfaces, name.removesuffix("*"))
        longer = name.removesuffix("*") + "zz"
        is_excluded = longer.startswith(beginnings)
        assert bool(re.search(told.excluded_interfaces, longer)) is is_excluded
    assert not re.search(told.excluded_interfaces, "wlan9")
    _check_requests(container, given.get("speaker", {}))


def _check_bgp(told: BgpSettings, given: dict[str, Any]) -> None:
    bfd = given.get("bfd", {})
    assert told.listen_port == given.get("listenPort", 0)
    assert told.hold_seconds == given.get("holdTimeSeconds", 90)
    assert told.drain_seconds == given.get("drainSeconds", 2)
    assert told.kube_proxy_wait_seconds == given.get("kubeProxyWaitSeconds", 5)
    collector = given.get("bmpCollector")
    assert told.bmp_collector == (_parted(collector) if collector else None)
    assert told.connect_seconds == given.get("connectTimeSeconds", 10)
    assert told.bfd_receive_milliseconds == bfd.get("receiveIntervalMilliseconds", 300)
    assert told.bfd_transmit_milliseconds == bfd.get("transmitIntervalMilliseconds", 300)
    assert told.bfd_multiplier == bfd.get("detectMultiplier", 3)


def _parted(collector: str) -> tuple[str, int]:
    host, _, port = collector.rpartition(":")
    return host.strip("[]"), int(port)


def _check_requests(container: Manifest, given: dict[str, Any]) -> None:
    found = container["resources"]["requests"]
    for name, quantity in given.get("resourcesRequests", {}).items():
        assert found[name] == quantity
