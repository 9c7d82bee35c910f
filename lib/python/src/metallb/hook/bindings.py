"""Objects that several hooks watch."""

from __future__ import annotations

from dataclasses import replace

from metallb.api.services import COUNT_ANNOTATION
from metallb.domain.dead_kinds import DECKHOUSE_KIND
from metallb.domain.decisions import NAMESPACE
from metallb.hook.config import Binding

OURS = "network.deckhouse.io/v1alpha1"
NATIVE = "metallb.io/v1beta1"
NATIVE_PEERS = "metallb.io/v1beta2"

NAME = "{name: .metadata.name}"

NODES = Binding("nodes", "v1", "Node", "{name: .metadata.name, labels: (.metadata.labels // {})}")

NAMESPACE_OF_MODULE = Binding(
    "namespace",
    "v1",
    "Namespace",
    "select(.metadata.deletionTimestamp == null) | {name: .metadata.name}",
    names=(NAMESPACE,),
)

MODULE_CONFIG = Binding(
    "module-config",
    "deckhouse.io/v1alpha1",
    "ModuleConfig",
    "{uid: .metadata.uid, version: .spec.version, settings: (.spec.settings // {})}",
    names=("metallb",),
)
"""With passwords of old settings, for the migration that makes Secrets of them."""

MODULE_CONFIG_WITHOUT_PASSWORDS = Binding(
    "module-config",
    "deckhouse.io/v1alpha1",
    "ModuleConfig",
    f"{MODULE_CONFIG.jq}"
    " | del(.settings | objects | .bgpPeers | arrays | .[] | objects | .password)",
    names=("metallb",),
)

SERVICES = Binding(
    "services",
    "v1",
    "Service",
    """
    select(.spec.type == "LoadBalancer")
    | {
        metadata: (.metadata | {name, namespace, uid, creationTimestamp, deletionTimestamp}),
        spec: (.spec | {type, loadBalancerClass, externalTrafficPolicy}),
        status: (.status // {} | {loadBalancer, conditions})
      }
    """,
    is_silent=True,
)
"""What entering running addresses in the ledger needs of a Service."""

COUNTED_SERVICES = replace(
    SERVICES,
    jq=f"""{SERVICES.jq.rstrip()}
    * {{metadata: {{annotations: {{"{COUNT_ANNOTATION}":
        .metadata.annotations["{COUNT_ANNOTATION}"]}}}}}}
    """,
)
"""The same, with how many addresses they ask for."""

VIRTUAL_IPS = Binding("virtual-ips", OURS, "VirtualIP", NAME, is_silent=True)

OLD_KIND = Binding(
    "old-kind",
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    NAME,
    names=(DECKHOUSE_KIND,),
    is_silent=True,
)
