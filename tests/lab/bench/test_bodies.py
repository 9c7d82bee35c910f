"""The bare clients send what the controller sends: byte for byte the same bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from metallb.api.classes import read_class
from metallb.api.ip_address_pools import read_ip_address_pool
from metallb.api.layer2_advertisements import read_l2_advertisement
from metallb.api.meta import ObjectKey
from metallb.api.nodes import NodeName, read_endpoint_slice, read_node
from metallb.api.services import ADDRESSES_ANNOTATION, read_service
from metallb.api.speakers import read_speaker
from metallb.api.virtual_ips import VirtualIP, read_virtual_ip
from metallb_controller.app.writes import Writer
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import CreateVirtualIP, PatchServiceStatus
from metallb_lab import objects
from metallb_lab.bench import bare, bodies, rig
from metallb_lab.bench.supply import NAME, Supply
from support.objects import (
    advertisement_object,
    class_object,
    lease_of_speaker,
    pool_object,
    service_object,
    slice_object,
)

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient, JsonObject

ADDRESS = "10.0.0.7"
WALL = bodies.now()


class Recorder:
    """Keeps what a writer sends, as requests."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []

    async def create(self, resource: Any, body: Any, namespace: str = "") -> Any:
        self.sent.append(("POST", resource.path(namespace), body))
        return body

    async def patch(self, resource: Any, name: str, body: Any, **rest: Any) -> Any:
        path = resource.path(rest["namespace"], name, rest["subresource"])
        self.sent.append((f"PATCH {rest['kind']}", path, body))
        return body


def ignore(answer: JsonObject) -> None:
    """Take no notice of an answer."""


def service() -> JsonObject:
    found = service_object("web", version=7)
    found["metadata"]["annotations"] = {ADDRESSES_ANNOTATION: ADDRESS}
    return found


def reconciler(supply: Supply, *vips: VirtualIP) -> Reconciler:
    """Make one that knows where addresses come from, nodes, a Service, and the ledger."""
    made = Reconciler()
    ranges = ("10.0.0.1-10.0.0.9",)
    if supply is Supply.CLASS:
        made.observe_config(
            ConfigKind.CLASSES,
            ObjectKey("", NAME),
            read_class(class_object(NAME, ranges, isDefault=True)),
        )
    else:
        key = ObjectKey(objects.NAMESPACE, NAME)
        pool = read_ip_address_pool(pool_object(NAME, ranges))
        made.observe_config(ConfigKind.NATIVE_POOLS, key, pool)
        advertisement = read_l2_advertisement(advertisement_object(NAME))
        made.observe_config(ConfigKind.LAYER2_ADVERTISEMENTS, key, advertisement)
    for node in rig.NODES:
        status = objects.node_status(node, ("10.10.0.11",), WALL, is_ready=True)
        node_object = {**objects.node(node), **status}
        made.observe_node(NodeName(node), read_node(node_object))
        made.observe_speaker(NodeName(node), read_speaker(lease_of_speaker(node)), 0.0)
    made.observe_endpoint_slice(None, read_endpoint_slice(slice_object("web")))
    made.observe_service(ObjectKey("default", "web"), read_service(service()))
    for vip in vips:
        made.observe_vip(vip.spec.address, vip)
    made.start(0.0)
    return made


def written(vip: JsonObject) -> VirtualIP:
    """Read a VirtualIP as the server would give it back."""
    meta = {**vip["metadata"], "uid": "v", "resourceVersion": "9", "generation": 1}
    found = read_virtual_ip({**vip, "metadata": meta})
    assert isinstance(found, VirtualIP)
    return found


async def sent_by_the_controller(
    supply: Supply,
) -> tuple[list[tuple[str, str, Any]], tuple[str, ...]]:
    """Let the real reconciler decide and the real writer write; gives the nodes' order too."""
    recorder = Recorder()
    writer = Writer(cast("ApiClient", recorder), ignore, ignore, {})
    steps = reconciler(supply).step(0.0, WALL)
    (entry,) = (item for item in steps if isinstance(item, CreateVirtualIP))
    await writer.carry_out(entry)
    vip = written(recorder.sent[0][2])
    steps = reconciler(supply, vip).step(0.0, WALL)
    (status,) = (item for item in steps if isinstance(item, PatchServiceStatus))
    await writer.carry_out(status)
    return recorder.sent, vip.spec.layer2.nodes


def as_sent(write: bare.Write) -> tuple[str, str, Any]:
    is_patch = write.method == "PATCH"
    verb = f"{write.method} {write.content_type}" if is_patch else write.method
    return verb, write.path, orjson.loads(write.body)


@pytest.mark.parametrize("supply", list(Supply))
async def test_the_bare_client_sends_the_same_two_requests(supply: Supply) -> None:
    sent, order = await sent_by_the_controller(supply)
    job = bare.assignment(service(), ADDRESS, supply.pool, order)
    assert len(order) == len(rig.NODES)
    (post, where, entry), (patch, path, status) = sent
    assert as_sent(job[0]) == (post, where, entry)
    mine = as_sent(job[1])
    assert mine[:2] == (patch, path)
    assert mine[2]["metadata"] == status["metadata"]
    assert mine[2]["status"].keys() == status["status"].keys()
    assert mine[2]["status"]["loadBalancer"] == status["status"]["loadBalancer"]
    assert untimed(mine[2]) == untimed(status)


def untimed(body: Any) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in item.items() if name != "lastTransitionTime"}
        for item in body["status"]["conditions"]
    ]


def test_a_slice_has_an_endpoint_that_serves() -> None:
    found = read_endpoint_slice(bodies.endpoint_slice("web", "n2", "10.244.0.9"))
    assert found.service == ObjectKey("default", "web")
    assert found.nodes == {"n2"}
