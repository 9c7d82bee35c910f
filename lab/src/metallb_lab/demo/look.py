"""How to look at a lab that was kept: commands with the right names in them."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from metallb_lab import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb_lab.cluster import Cluster
    from metallb_lab.demo.screen import Screen
    from metallb_lab.fabric import Fabric


def tell(cluster: Cluster, fabric: Fabric | None, screen: Screen) -> None:
    """Tell the commands that look at this cluster, and the one that ends it."""
    name = cluster.instance.name
    screen.heading(f"The cluster goes on running; its name is {name}. Look around:")
    for line in _of_kubernetes(cluster):
        screen.hint(line)
    for line in _of_l2(cluster) if fabric is None else _of_bgp(cluster, fabric):
        screen.hint(line)
    node = cluster.topology.nodes[0].name
    screen.hint(f"tail -f {cluster.instance.directory}/logs/*.log")
    screen.hint(f"ip -n {name}-sw link set p-{node} down     # pull the cable of {node}")
    python = shlex.quote(sys.executable)
    screen.hint(f"{python} -m metallb_lab down {name}     # end it")


def _of_kubernetes(cluster: Cluster) -> Iterator[str]:
    try:
        kubectl = shlex.quote(str(tools.find("kubectl")))
    except tools.ToolError:
        kubectl = "kubectl"
    yield f"export KUBECONFIG={shlex.quote(str(cluster.plane.outside_kubeconfig))}"
    yield f"{kubectl} get svc,vip,mlbc,nodes"
    yield f"{kubectl} describe vip {_address(cluster).replace(':', '-')}"


def _of_l2(cluster: Cluster) -> Iterator[str]:
    name, node = cluster.instance.name, cluster.topology.nodes[0].name
    yield f"ip netns exec {name}-client curl -s http://{_address(cluster)}/"
    yield f"ip netns exec {name}-{node} tcpdump -ni eth0 arp or icmp6"


def _of_bgp(cluster: Cluster, fabric: Fabric) -> Iterator[str]:
    node = cluster.topology.nodes[0].name
    bird, frr = fabric.bird, fabric.frr
    birdc = f"ip netns exec {bird.namespace} birdc -s {bird.directory}/bird.sock"
    vtysh = f"ip netns exec {frr.namespace} vtysh --vty_socket {frr.directory}"
    yield f"{birdc} show route all"
    yield f"{birdc} show bfd sessions"
    yield f"{vtysh} -c 'show bgp ipv4 unicast' -c 'show bfd peers brief'"
    for client in fabric.clients.values():
        yield f"ip netns exec {client} curl -s http://{_address(cluster)}/"
    yield (
        f"ip netns exec {cluster.instance.name}-{node} "
        "tcpdump -ni eth0 tcp port 179 or udp port 3784"
    )


def _address(cluster: Cluster) -> str:
    return next((str(vip.spec.address) for vip in cluster.vips), "VIP")
