"""The kinds that the controller watches or writes, and where they are in the API."""

from __future__ import annotations

from metallb.api.meta import GROUP
from metallb.kube.client import Resource

SERVICES = Resource("", "v1", "services")
NODES = Resource("", "v1", "nodes", is_namespaced=False)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CLASSES = Resource(GROUP, "v1alpha1", "metalloadbalancerclasses", is_namespaced=False)
VIRTUAL_IPS = Resource(GROUP, "v1alpha1", "virtualips", is_namespaced=False)
