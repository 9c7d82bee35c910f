"""Objects that a lab writes: which kinds there are, and the bodies of those that it makes.

Pure: bodies come out, `metallb_lab.cluster` sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.api.meta import GROUP, NATIVE_GROUP, NATIVE_VERSION
from metallb.api.nodes import ZONE_LABEL
from metallb.kube.client import Resource
from metallb_lab import backends

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metallb.kube.client import JsonObject

NAMESPACE = "d8-metallb"

NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
NODES = Resource("", "v1", "nodes", is_namespaced=False)
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
SECRETS = Resource("", "v1", "secrets")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CUSTOM_RESOURCES = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", is_namespaced=False
)
CLASSES = Resource(GROUP, "v1alpha1", "metalloadbalancerclasses", is_namespaced=False)
POOLS = Resource(GROUP, "v1alpha1", "metalloadbalancerpools", is_namespaced=False)
CONFIGURATIONS = Resource(GROUP, "v1alpha1", "metalloadbalancerconfigurations", is_namespaced=False)
VIRTUAL_IPS = Resource(GROUP, "v1alpha1", "virtualips", is_namespaced=False)
IP_ADDRESS_POOLS = Resource(NATIVE_GROUP, "v1beta1", "ipaddresspools")
L2_ADVERTISEMENTS = Resource(NATIVE_GROUP, "v1beta1", "l2advertisements")
BGP_PEERS = Resource(NATIVE_GROUP, "v1beta2", "bgppeers")
BGP_ADVERTISEMENTS = Resource(NATIVE_GROUP, "v1beta1", "bgpadvertisements")
BFD_PROFILES = Resource(NATIVE_GROUP, "v1beta1", "bfdprofiles")
COMMUNITIES = Resource(NATIVE_GROUP, "v1beta1", "communities")
LOAD_BALANCER_PEERS = Resource(GROUP, "v1alpha1", "metalloadbalancerbgppeers", is_namespaced=False)
BGP_SESSIONS = Resource(GROUP, "v1alpha1", "bgpsessions", is_namespaced=False)
SERVICE_BGP_STATUSES = Resource(NATIVE_GROUP, "v1beta1", "servicebgpstatuses")
SERVICE_L2_STATUSES = Resource(NATIVE_GROUP, "v1beta1", "servicel2statuses")
CONFIGURATION_STATES = Resource(NATIVE_GROUP, "v1beta1", "configurationstates")

KINDS: Mapping[str, Resource] = {
    "Service": SERVICES,
    "Node": NODES,
    "Namespace": NAMESPACES,
    "Pod": PODS,
    "Lease": LEASES,
    "Deployment": DEPLOYMENTS,
    "DaemonSet": DAEMON_SETS,
    "Secret": SECRETS,
    "EndpointSlice": ENDPOINT_SLICES,
    "MetalLoadBalancerClass": CLASSES,
    "VirtualIP": VIRTUAL_IPS,
    "MetalLoadBalancerPool": POOLS,
    "MetalLoadBalancerConfiguration": CONFIGURATIONS,
    "IPAddressPool": IP_ADDRESS_POOLS,
    "L2Advertisement": L2_ADVERTISEMENTS,
    "BGPPeer": BGP_PEERS,
    "BGPAdvertisement": BGP_ADVERTISEMENTS,
    "BFDProfile": BFD_PROFILES,
    "Community": COMMUNITIES,
    "MetalLoadBalancerBGPPeer": LOAD_BALANCER_PEERS,
    "BGPSession": BGP_SESSIONS,
    "ServiceBGPStatus": SERVICE_BGP_STATUSES,
    "ServiceL2Status": SERVICE_L2_STATUSES,
    "ConfigurationState": CONFIGURATION_STATES,
    "CustomResourceDefinition": CUSTOM_RESOURCES,
}


def namespace_of(resource: Resource, given: str = "") -> str:
    """Namespace of a request: `default` for namespaced kinds that name none."""
    return given or ("default" if resource.is_namespaced else "")


def node(name: str, zone: str = "") -> JsonObject:
    """Make a Node."""
    labels = {"kubernetes.io/hostname": name}
    if zone:
        labels[ZONE_LABEL] = zone
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def node_status(name: str, addresses: Sequence[str], now: str, *, is_ready: bool) -> JsonObject:
    """Make what a kubelet says of its node."""
    condition = {
        "type": "Ready",
        "status": "True" if is_ready else "False",
        "reason": "KubeletReady" if is_ready else "KubeletNotReady",
        "message": "",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    listed = [{"type": "InternalIP", "address": item} for item in addresses]
    listed.append({"type": "Hostname", "address": name})
    return {"status": {"conditions": [condition], "addresses": listed}}


def pod(name: str, on_node: str, labels: Mapping[str, str]) -> JsonObject:
    """Make a Pod that serves."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": dict(labels)},
        "spec": {
            "nodeName": on_node,
            "containers": [{"name": "web", "image": "lab/web"}],
            "terminationGracePeriodSeconds": 0,
        },
    }


def pod_status(addresses: Sequence[str], now: str, *, is_ready: bool) -> JsonObject:
    """Make what a kubelet says of a pod."""
    status = "True" if is_ready else "False"
    return {
        "status": {
            "phase": "Running",
            "podIP": addresses[0],
            "podIPs": [{"ip": item} for item in addresses],
            "conditions": [
                {"type": kind, "status": status, "lastTransitionTime": now}
                for kind in ("Ready", "ContainersReady")
            ],
        }
    }


def load_balancer_class(
    name: str,
    ranges: Sequence[str],
    *,
    is_default: bool = False,
    rebalancing: JsonObject | None = None,
    node_selector: Mapping[str, str] | None = None,
    interfaces: Sequence[str] = (),
) -> JsonObject:
    """Make a MetalLoadBalancerClass."""
    l2: JsonObject = {"interfaces": list(interfaces)}
    if rebalancing:
        l2["rebalancing"] = rebalancing
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "MetalLoadBalancerClass",
        "metadata": {"name": name},
        "spec": {
            "isDefault": is_default,
            "type": "L2",
            "addressPool": list(ranges),
            "nodeSelector": dict(node_selector or {}),
            "l2": l2,
        },
    }


def load_balancer_pool(name: str, addresses: Sequence[str], **spec: Any) -> JsonObject:
    """Make a MetalLoadBalancerPool."""
    return _ours("MetalLoadBalancerPool", name, {"addresses": list(addresses), **spec})


def load_balancer_configuration(
    name: str,
    pools: Sequence[str],
    *,
    node_selector: JsonObject | None = None,
    peers: Sequence[str] = (),
    **bgp: Any,
) -> JsonObject:
    """Make a MetalLoadBalancerConfiguration that announces pools to peers; `bgp` says how."""
    spec = {
        "mode": "BGP",
        "nodeSelector": node_selector or {},
        "bgp": {"peerNames": list(peers)},
        "advertisements": [{"poolNames": list(pools), "bgp": bgp}],
    }
    return _ours("MetalLoadBalancerConfiguration", name, spec)


def _ours(kind: str, name: str, spec: JsonObject) -> JsonObject:
    meta = {"name": name}
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


def ip_address_pool(name: str, addresses: Sequence[str], **spec: Any) -> JsonObject:
    """Make an IPAddressPool of MetalLB's."""
    return _native("IPAddressPool", name, {"addresses": list(addresses), **spec})


def l2_advertisement(name: str, **spec: Any) -> JsonObject:
    """Make an L2Advertisement of MetalLB's."""
    return _native("L2Advertisement", name, spec)


def bgp_advertisement(name: str, **spec: Any) -> JsonObject:
    """Make a BGPAdvertisement."""
    return _native("BGPAdvertisement", name, spec)


def bfd_profile(name: str, **spec: Any) -> JsonObject:
    """Make a BFDProfile."""
    return _native("BFDProfile", name, spec)


def community(name: str, **aliases: str) -> JsonObject:
    """Make a Community: names of communities, and their values."""
    items = [{"name": alias, "value": value} for alias, value in aliases.items()]
    return _native("Community", name, {"communities": items})


def bgp_peer(name: str, address: str, my_asn: int, peer_asn: int, **spec: Any) -> JsonObject:
    """Make a BGPPeer."""
    said = {"peerAddress": address, "myASN": my_asn, "peerASN": peer_asn, **spec}
    made = _native("BGPPeer", name, said)
    return {**made, "apiVersion": f"{NATIVE_GROUP}/v1beta2"}


def load_balancer_peer(
    name: str, address: str, my_asn: int, peer_asn: int, **spec: Any
) -> JsonObject:
    """Make a MetalLoadBalancerBGPPeer."""
    said = {"peerAddress": address, "myASN": my_asn, "peerASN": peer_asn, **spec}
    return _ours("MetalLoadBalancerBGPPeer", name, said)


def password_secret(name: str, password: str, namespace: str = NAMESPACE) -> JsonObject:
    """Make a Secret with the password of a BGP session."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": password},
    }


def _native(kind: str, name: str, spec: JsonObject) -> JsonObject:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": NATIVE_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def service(
    name: str,
    *,
    count: int | str | None = None,
    annotations: Mapping[str, str] | None = None,
    namespace: str = "default",
    app: str = "web",
    ports: Sequence[tuple[str, int]] = (("TCP", 80), ("UDP", 80)),
    **spec: Any,
) -> JsonObject:
    """Make a Service of type LoadBalancer for the pods of an app; `spec` is merged in."""
    notes = dict(annotations or {})
    if count is not None:
        notes[f"{GROUP}/l2-load-balancer-external-ips-count"] = str(count)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "allocateLoadBalancerNodePorts": False,
            "ports": [
                {
                    "name": f"{protocol.lower()}-{port}",
                    "protocol": protocol,
                    "port": port,
                    "targetPort": backends.PORT,
                }
                for protocol, port in ports
            ],
            **spec,
        },
    }
