"""What Deckhouse has before any module is enabled (deckhouse-platform.md §3.6, §3.8, §4.4, §6.3).

A plain API server lacks it, so the lab puts it there: the namespaces of the operator and of
monitoring, the kind ModuleConfig, the role that kube-rbac-proxy needs, the account of Prometheus;
and the values under `global` that every chart of a module may read. `merged` lays others over the
latter: what is enabled in the platform is a matter of the test.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from metallb.kube.errors import AlreadyExistsError
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.helm import OPERATOR_NAMESPACE

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient
    from metallb_lab.operator.kinds import Kinds
    from metallb_lab.operator.module import Module

Document = dict[str, Any]

MODULE_CONFIG_CRD: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "moduleconfigs.deckhouse.io"},
    "spec": {
        "group": "deckhouse.io",
        "scope": "Cluster",
        "names": {
            "kind": "ModuleConfig",
            "listKind": "ModuleConfigList",
            "plural": "moduleconfigs",
            "singular": "moduleconfig",
            "shortNames": ["mc"],
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "enabled": {"type": "boolean"},
                                    "version": {"type": "integer"},
                                    "source": {"type": "string"},
                                    "updatePolicy": {"type": "string"},
                                    "maintenance": {
                                        "type": "string",
                                        "enum": ["NoResourceReconciliation"],
                                    },
                                    "settings": {
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}
REGISTRY: Document = {
    "base": "registry.example.com/deckhouse/modules",
    "dockercfg": "eyJhdXRocyI6IHt9fQ==",
    "scheme": "https",
    "ca": "",
}
GLOBAL: Document = {
    "enabledModules": [],
    "clusterIsBootstrapped": True,
    "clusterConfiguration": {
        "clusterDomain": "cluster.local",
        "clusterType": "Static",
        "podSubnetCIDR": "10.244.0.0/16",
        "podSubnetNodeCIDRPrefix": "24",
        "serviceSubnetCIDR": "10.96.0.0/12",
        "kubernetesVersion": "Automatic",
    },
    "discovery": {
        "clusterMasterCount": 1,
        "clusterControlPlaneIsHighlyAvailable": False,
        "clusterUUID": "7a1b0e4c-6a52-4d43-9a5f-1d2f0d9c5b10",
        "clusterDomain": "cluster.local",
        "kubernetesVersion": "1.35.4",
        "prometheusScrapeInterval": 30,
        "apiVersions": [],
        "d8SpecificNodeCountByRole": {},
    },
    "modules": {
        "publicDomainTemplate": "%s.example.com",
        "ingressClass": "nginx",
        "placement": {},
        "https": {
            "mode": "CertManager",
            "certManager": {"clusterIssuerName": "letsencrypt"},
        },
    },
    "internal": {
        "modules": {
            "kubeRBACProxyCA": {"cert": "", "key": ""},
            "admissionWebhookClientCA": {"cert": "", "key": ""},
        }
    },
    "modulesImages": {
        "registry": {"base": "registry.example.com/deckhouse", "dockercfg": "eyJhdXRocyI6IHt9fQ=="},
        "digests": {"common": {"kubeRbacProxy": f"sha256:{'0' * 64}"}},
    },
}


def platform_objects() -> list[Document]:
    """Give the objects that every cluster of the platform has."""
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"heritage": "deckhouse"}},
        }
        for name in (OPERATOR_NAMESPACE, "d8-monitoring")
    ]
    rights: list[Document] = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "d8:rbac-proxy", "labels": {"heritage": "deckhouse"}},
            "rules": [
                {
                    "apiGroups": ["authentication.k8s.io"],
                    "resources": ["tokenreviews"],
                    "verbs": ["create"],
                },
                {
                    "apiGroups": ["authorization.k8s.io"],
                    "resources": ["subjectaccessreviews"],
                    "verbs": ["create"],
                },
            ],
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "prometheus", "namespace": "d8-monitoring"},
        },
    ]
    return [*namespaces, *rights]


async def ensure_platform(client: ApiClient, kinds: Kinds) -> None:
    """Put the platform's objects there."""
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    for item in platform_objects():
        resource = await kinds.resource(item["kind"], item["apiVersion"])
        try:
            await client.create(resource, item, item["metadata"].get("namespace", ""))
        except AlreadyExistsError:
            continue


def global_values(module: Module, over: Document) -> Document:
    """Give the values under `global` for a module: the fixture, its digests, others laid over."""
    own = {
        "enabledModules": [module.name],
        "modulesImages": {"digests": {module.key: module.digests()}},
    }
    found = merged(merged(GLOBAL, own), over)
    enabled = [*found["enabledModules"], module.name]
    return found | {"enabledModules": sorted(set(enabled))}


def merged(below: Document, above: Document) -> Document:
    """Lay one tree over another; lists and single values are replaced."""
    found = copy.deepcopy(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(found.get(name), dict):
            found[name] = merged(found[name], value)
        else:
            found[name] = copy.deepcopy(value)
    return found
