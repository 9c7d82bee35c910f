"""The kinds that the controller watches or writes, and where they are in the API."""

from __future__ import annotations

from metallb.api.meta import GROUP, NATIVE_GROUP
from metallb.domain.deckhouse_children import API_GROUP, VERSION
from metallb.kube.client import Resource
from metallb_controller.reconcile.model import TargetKind

SERVICES = Resource("", "v1", "services")
NODES = Resource("", "v1", "nodes", is_namespaced=False)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CLASSES = Resource(GROUP, "v1alpha1", "metalloadbalancerclasses", is_namespaced=False)
VIRTUAL_IPS = Resource(GROUP, "v1alpha1", "virtualips", is_namespaced=False)
POOLS = Resource(GROUP, "v1alpha1", "metalloadbalancerpools", is_namespaced=False)
CONFIGURATIONS = Resource(GROUP, "v1alpha1", "metalloadbalancerconfigurations", is_namespaced=False)
PEERS = Resource(GROUP, "v1alpha1", "metalloadbalancerbgppeers", is_namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
NATIVE_POOLS = Resource(NATIVE_GROUP, "v1beta1", "ipaddresspools")
LAYER2_ADVERTISEMENTS = Resource(NATIVE_GROUP, "v1beta1", "l2advertisements")
BGP_ADVERTISEMENTS = Resource(NATIVE_GROUP, "v1beta1", "bgpadvertisements")
NATIVE_PEERS = Resource(NATIVE_GROUP, "v1beta2", "bgppeers")
BFD_PROFILES = Resource(NATIVE_GROUP, "v1beta1", "bfdprofiles")
COMMUNITIES = Resource(NATIVE_GROUP, "v1beta1", "communities")
LAYER2_STATUSES = Resource(NATIVE_GROUP, "v1beta1", "servicel2statuses")
BGP_STATUSES = Resource(NATIVE_GROUP, "v1beta1", "servicebgpstatuses")
CONFIGURATION_STATES = Resource(NATIVE_GROUP, "v1beta1", "configurationstates")
CHILDREN = Resource(API_GROUP, VERSION, "sdninternall2lbservices")

POOL_KINDS = {
    TargetKind.CLASS_STATUS: CLASSES,
    TargetKind.POOL_STATUS: POOLS,
    TargetKind.NATIVE_POOL_STATUS: NATIVE_POOLS,
}
"""Kinds of pool, by the target of a write of their status."""
