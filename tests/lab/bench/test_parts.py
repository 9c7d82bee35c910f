"""Smaller parts: saved data, keepalived's configuration, conversations, arrivals, figures."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING, Any, cast

import pytest

from metallb_lab import objects, tools
from metallb_lab.apiserver import certificates
from metallb_lab.bench import (
    bodies,
    dataset,
    failover,
    keepalived,
    latency,
    restart,
    stream,
    throughput,
)
from metallb_lab.bench.access import read_connection
from metallb_lab.bench.arrivals import Arrivals
from metallb_lab.bench.benchmark import BenchmarkError
from metallb_lab.bench.conversation import Conversation
from metallb_lab.bench.failover import Outage
from metallb_lab.realserver import kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from metallb.kube.client import ApiClient, JsonObject

# ---------------------------------------------------------------- saved data


def test_each_service_has_a_slice() -> None:
    made = list(dataset.data(3))
    assert [resource.plural for resource, _ in made] == ["services", "endpointslices"] * 3
    names = [body["metadata"]["name"] for resource, body in made if resource == objects.SERVICES]
    assert names == ["service-00000", "service-00001", "service-00002"]


def test_data_are_kept_by_all_that_decides_them(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {dataset.key(10), dataset.key(10), dataset.key(11)}
    assert len(keys) == 2
    monkeypatch.setattr(tools.ToolSet, "digest", lambda self: "another build")
    keys.add(dataset.key(10))
    monkeypatch.setattr(bodies, "service_name", lambda number: f"other-{number}")
    keys.add(dataset.key(10))
    keys.add(dataset.key(10, has_services=False))
    assert len(keys) == 5


def test_services_can_be_left_to_be_created() -> None:
    made = list(dataset.data(2, has_services=False))
    assert [resource.plural for resource, _ in made] == ["endpointslices"] * 2


# ---------------------------------------------------------------- keepalived


def test_keepalived_is_told_the_version_without_which_its_interval_is_a_second() -> None:
    text = keepalived.configuration("10.10.130.1", 254)
    words = text.split()
    assert words[words.index("vrrp_version") + 1] == "3"
    assert words[words.index("advert_int") + 1] == "0.1"
    assert words[words.index("priority") + 1] == "254"
    assert "10.10.130.1/32" in words


def test_without_keepalived_there_is_a_clear_word(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731
    monkeypatch.setattr(shutil, "which", nothing)
    with pytest.raises(BenchmarkError, match="apt-get install keepalived"):
        keepalived.program()


# ---------------------------------------------------------------- conversations


async def test_a_process_that_ends_is_noticed() -> None:
    async with Conversation("json.tool", "/nonexistent") as talk:
        with pytest.raises(BenchmarkError, match=r"json.tool ended with exit code [12]"):
            await talk.hear(20)


async def test_a_silent_process_is_noticed() -> None:
    async with Conversation("json.tool") as talk:
        assert talk.pid > 0
        with pytest.raises(BenchmarkError, match=r"json.tool said nothing for 0.05 s"):
            await talk.hear(0.05)


# ---------------------------------------------------------------- access


def test_a_kubeconfig_of_the_lab_is_read(tmp_path: Path) -> None:
    certificates.write_serving(tmp_path, ["localhost"], ["127.0.0.1"])
    authority = base64.b64encode((tmp_path / "ca.pem").read_bytes()).decode()
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig("https://127.0.0.1:6443", "a-secret", authority))
    found = read_connection(str(path))
    assert found.base_url == "https://127.0.0.1:6443"
    assert found.authorization() == "Bearer a-secret"
    assert found.tls is not None
    assert [item["subject"] for item in found.tls.get_ca_certs()]


# ---------------------------------------------------------------- F7


class FakeClient:
    """A server with one list of Services, and a watch that ends at once."""

    def __init__(self, *services: JsonObject) -> None:
        self._services = list(services)
        self._lines: list[bytes] = []

    async def list_pages(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        from metallb.kube.client import ListPage

        yield ListPage(self._services, "5", "")

    async def watch_lines(self, *_: Any, **__: Any) -> AsyncIterator[bytes]:
        for line in self._lines:
            yield line


def with_address(name: str, address: str | None) -> JsonObject:
    ingress = [{"ip": address, "ipMode": "VIP"}] if address else []
    return {
        "metadata": {"namespace": "default", "name": name, "resourceVersion": "1"},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


async def test_arrivals_are_complete_when_each_service_has_an_address() -> None:
    client = FakeClient(with_address("a", "10.0.0.1"), with_address("b", None))
    arrivals = Arrivals(cast("ApiClient", client), 2)
    async with arrivals.watching():
        assert not arrivals.complete.is_set()
    client = FakeClient(with_address("a", "10.0.0.1"), with_address("b", "10.0.0.2"))
    arrivals = Arrivals(cast("ApiClient", client), 2)
    async with arrivals.watching():
        await arrivals.wait(print)
        arrivals.check()
    assert arrivals.complete_at >= arrivals.first_at > 0


async def test_an_address_given_twice_is_refused() -> None:
    client = FakeClient(with_address("a", "10.0.0.1"), with_address("b", "10.0.0.1"))
    arrivals = Arrivals(cast("ApiClient", client), 2)
    async with arrivals.watching():
        with pytest.raises(BenchmarkError, match="twice"):
            arrivals.check()


def test_f7_is_a_ratio_of_rates() -> None:
    ours = [
        throughput.Run(20.0, 0.1, 10.0, 30.0, 150.0),
        throughput.Run(25.0, 0.1, 10.0, 30.0, 160.0),
    ]
    limit = [throughput.Run(18.0, 0.1, 6.0, 30.0, 60.0)]
    rate, memory = throughput.figures(throughput.F7, 10_000, 32, ours, limit)
    assert rate.ours.values == (500.0, 400.0)
    assert rate.ours.worst == 400.0
    assert rate.ratio == pytest.approx(0.81)
    assert rate.is_met
    assert memory.is_met
    assert memory.ours.worst == 160.0
    rate, memory = throughput.figures(throughput.POOL, 10_000, 32, ours, limit)
    assert (rate.id, rate.is_met) == ("POOL", True)
    assert (memory.id, memory.is_met) == ("POOL-memory", False)


# ---------------------------------------------------------------- STREAM, RESTART


def test_the_lag_behind_the_last_creation_is_set_beside_a_bare_client() -> None:
    ours = [stream.Run(50.0, 0.4), stream.Run(50.0, 1.2), stream.Run(50.0, 0.9)]
    found = stream.figure(10_000, 16, ours, [stream.Run(45.0, 0.3)])
    assert found.is_met
    assert (found.ours.median, found.ours.worst) == (0.9, 1.2)
    assert found.notes[0] == "ours 0.400 s behind, created at 200/s"


def test_a_needless_write_is_found_by_the_version() -> None:
    before = {("services", "a"): "1", ("virtualips", "a"): "2", ("services", "b"): "3"}
    assert restart.changed(before, {**before, ("services", "new"): "9"}) == []
    after = {("services", "a"): "1", ("virtualips", "a"): "4"}
    assert restart.changed(before, after) == [("services", "b"), ("virtualips", "a")]


def test_one_needless_write_is_one_too_many() -> None:
    limit = [restart.Run(2.0, 0, 60.0)]
    starts = [restart.Run(3.0, 0, 140.0), restart.Run(4.9, 1, 140.0)]
    seconds, writes, memory = restart.figures(10_000, starts, limit)
    assert (seconds.is_met, writes.is_met, memory.is_met) == (True, False, True)
    assert restart.figures(10_000, starts[:1], limit)[1].is_met


# ---------------------------------------------------------------- F8, F1


def test_f8_leaves_out_gratuitous_frames_that_came_too_late() -> None:
    ours = [latency.Run(9.0, 12.0, None, 18.0), latency.Run(9.0, 12.0, 15.0, 19.0)]
    found = latency.figure("real", ours, [latency.Run(8.0, 11.0, None, 15.0)])
    assert found.is_met
    assert found.ours.median == 18.5
    assert found.notes[-1].endswith("min 15, median 15, p90 15, max 15")
    assert len(latency.figure("real", ours[:1], ours[:1]).notes) == 6


def test_f1_sets_ours_beside_keepalived() -> None:
    found = failover.figure([Outage(180.0, 300.0), Outage(200.0, 290.0), Outage(400.0, 310.0)])
    assert found.is_met
    assert found.ours.worst == 400.0
    assert found.ratio == pytest.approx(2 / 3)
