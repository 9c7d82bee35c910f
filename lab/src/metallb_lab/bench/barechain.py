"""The bare chain of F8: what any program has to do between a new Service and its first answer.

    allocate   watches Services; for a new one that names its address, creates the VirtualIP and
               then patches the Service's status, as the controller does
    answer     watches VirtualIPs; answers ARP for one whose first node it is, as a speaker does

So there are as many requests and as many watches on the way as with ours, and nothing in between:
no decision, no ledger, no liveness. Says {"watching": true} when its watch is open.

    python -m metallb_lab.bench.barechain allocate --kubeconfig FILE --class NAME --nodes n1,n2
    python -m metallb_lab.bench.barechain answer --kubeconfig FILE --node n1
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from typing import TYPE_CHECKING

import uvloop

from metallb.api.meta import ObjectKey
from metallb.api.services import ADDRESSES_ANNOTATION
from metallb.kube.client import ApiClient, PatchType
from metallb_lab import objects
from metallb_lab.bench import bodies
from metallb_lab.bench.access import events, read_connection
from metallb_speaker.l2.arp import ArpPacket, decode, encode_reply
from metallb_speaker.l2.iana import ArpOpcode, EtherType

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAME_BYTES = 1522


async def allocate(client: ApiClient, class_name: str, nodes: Sequence[str]) -> None:
    """Give each new Service the address that it names."""
    async for kind, service in events(client, objects.SERVICES):
        meta = service["metadata"]
        address = (meta.get("annotations") or {}).get(ADDRESSES_ANNOTATION)
        if kind != "ADDED" or address is None:
            continue
        key = ObjectKey(meta["namespace"], meta["name"])
        entry = bodies.virtual_ip(address, class_name, key, nodes)
        await client.create(objects.VIRTUAL_IPS, entry)
        status = bodies.service_status(
            meta["uid"], meta["resourceVersion"], address, class_name, bodies.now()
        )
        await client.patch(
            objects.SERVICES, key.name, status,
            namespace=key.namespace, subresource="status", kind=PatchType.STRATEGIC,
        )  # fmt: skip


class Answerer:
    """Answers ARP for the addresses that are this node's."""

    def __init__(self, interface: str) -> None:
        self.owned: set[bytes] = set()
        self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._raw.bind((interface, EtherType.ARP))
        self._mac: bytes = self._raw.getsockname()[4]
        asyncio.get_running_loop().add_reader(self._raw, self._read)

    def _read(self) -> None:
        try:
            while True:
                packet = decode(self._raw.recv(FRAME_BYTES))
                if (
                    isinstance(packet, ArpPacket)
                    and packet.opcode is ArpOpcode.REQUEST
                    and packet.target_ip in self.owned
                ):
                    self._raw.send(encode_reply(packet, self._mac))
        except BlockingIOError:
            return


async def answer(client: ApiClient, node: str, interface: str = "eth0") -> None:
    """Answer for each VirtualIP whose first choice this node is."""
    answerer = Answerer(interface)
    async for kind, entry in events(client, objects.VIRTUAL_IPS):
        address = socket.inet_aton(entry["spec"]["address"])
        if kind == "DELETED":
            answerer.owned.discard(address)
        elif entry["spec"]["layer2"]["nodes"][:1] == [node]:
            answerer.owned.add(address)


async def _run(given: argparse.Namespace) -> None:
    async with ApiClient(read_connection(given.kubeconfig)) as client:
        if given.part == "allocate":
            await allocate(client, given.class_name, given.nodes.split(","))
        else:
            await answer(client, given.node)


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["allocate", "answer"])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--class", dest="class_name", default="")
    parser.add_argument("--nodes", default="", help="names, parted by commas")
    parser.add_argument("--node", default="")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
