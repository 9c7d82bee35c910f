"""The built-in kinds: which there are, under which names, with which strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver.kinds.coordination import EndpointSliceStrategy, LeaseStrategy
from metallb_lab.apiserver.kinds.core import (
    ConfigMapStrategy,
    EndpointsStrategy,
    NamespaceStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
)
from metallb_lab.apiserver.kinds.events import EventStrategy, NewEventStrategy
from metallb_lab.apiserver.kinds.nodes import NodeStrategy
from metallb_lab.apiserver.kinds.pods import PodStrategy
from metallb_lab.apiserver.kinds.rbac import GROUP as RBAC
from metallb_lab.apiserver.kinds.rbac import BindingStrategy, RoleStrategy
from metallb_lab.apiserver.kinds.services import ServiceStrategy
from metallb_lab.apiserver.kinds.webhook_configurations import WebhookConfigurationStrategy
from metallb_lab.apiserver.kinds.workloads import DaemonSetStrategy, DeploymentStrategy
from metallb_lab.apiserver.resources import STATUS_VERBS, Resource, Strategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.kinds.service_allocation import ServiceAllocation

ADMISSION = "admissionregistration.k8s.io"


def builtin_resources(allocation: ServiceAllocation) -> list[Resource]:
    """Every kind but CustomResourceDefinitions, which bring their own machinery."""
    core = ("", "v1")
    apps = ("apps", "v1")
    rbac = (RBAC, "v1")
    admission = (ADMISSION, "v1")
    kinds: list[tuple[tuple[str, str], str, type[Strategy], bool, tuple[str, ...]]] = [
        (core, "Namespace", NamespaceStrategy, False, ("ns",)),
        (core, "Node", NodeStrategy, False, ("no",)),
        (core, "Pod", PodStrategy, True, ("po",)),
        (core, "Endpoints", EndpointsStrategy, True, ("ep",)),
        (core, "Event", EventStrategy, True, ("ev",)),
        (core, "ConfigMap", ConfigMapStrategy, True, ("cm",)),
        (core, "Secret", SecretStrategy, True, ()),
        (core, "ServiceAccount", ServiceAccountStrategy, True, ("sa",)),
        (("discovery.k8s.io", "v1"), "EndpointSlice", EndpointSliceStrategy, True, ()),
        (("coordination.k8s.io", "v1"), "Lease", LeaseStrategy, True, ()),
        (("events.k8s.io", "v1"), "Event", NewEventStrategy, True, ("ev",)),
        (apps, "Deployment", DeploymentStrategy, True, ("deploy",)),
        (apps, "DaemonSet", DaemonSetStrategy, True, ("ds",)),
        (rbac, "Role", RoleStrategy, True, ()),
        (rbac, "ClusterRole", RoleStrategy, False, ()),
        (rbac, "RoleBinding", BindingStrategy, True, ()),
        (rbac, "ClusterRoleBinding", BindingStrategy, False, ()),
        (admission, "ValidatingWebhookConfiguration", WebhookConfigurationStrategy, False, ()),
        (admission, "MutatingWebhookConfiguration", WebhookConfigurationStrategy, False, ()),
    ]
    found = [
        typed(strategy(*gv, kind), namespaced, short)
        for gv, kind, strategy, namespaced, short in kinds
    ]
    found.append(typed(ServiceStrategy(allocation), True, ("svc",)))
    for resource in found:
        if resource.kind == "Namespace":
            resource.subresources["finalize"] = ("update",)
        if resource.kind == "Event":
            resource.table = "events"
    return found


def typed(strategy: Strategy, namespaced: bool, short_names: tuple[str, ...]) -> Resource:
    """The resource of a built-in kind."""
    plural = strategy.kind.lower()
    plural += "" if plural.endswith("s") else "s"
    singular = strategy.kind.lower()
    everyday = strategy.kind in ("Pod", "Service", "Deployment", "DaemonSet")
    return Resource(
        gv=strategy.gv,
        plural=plural,
        singular=singular,
        kind=strategy.kind,
        namespaced=namespaced,
        strategy=strategy,
        short_names=short_names,
        categories=("all",) if everyday else (),
        subresources={"status": STATUS_VERBS} if strategy.has_status else {},
    )
