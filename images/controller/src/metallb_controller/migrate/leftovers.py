"""What of the old installation is there yet: its programs, its webhooks, its kinds.

Two programs that announce the same addresses, or write the same statuses, are one too many; and a
webhook whose server is gone refuses every write of the kinds that it judges. MetalLB's programs are
known by their labels, in any namespace; so is frr-k8s, which MetalLB speaks BGP through and others
may use too. Deckhouse's have the names and labels of ours, but another
argument for the port of metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import Fields
from metallb.api.meta import NATIVE_GROUP, ObjectKey, read_metadata
from metallb.domain.dead_kinds import DECKHOUSE_KIND
from metallb.domain.decisions import NAMESPACE
from metallb.domain.webhook_registration import CONFIGURATION, CONVERTED
from metallb_controller.migrate.cluster import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.fields import JsonObject
    from metallb_controller.migrate.cluster import Objects

VIRTUAL_IP_CRD = "virtualips.network.deckhouse.io"
_ROUTER = "frr-k8s"
_APPS = ("metallb", _ROUTER)
_OUR_PORT = "--metrics-port"
_CLASS_OPTION = "--lb-class="


@dataclass(frozen=True, slots=True)
class Program:
    """A workload of the old installation; `pods` are those that run, or are wanted.

    `is_router`: it is frr-k8s.
    """

    kind: str
    key: ObjectKey
    pods: int
    load_balancer_class: str = ""
    is_router: bool = False


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is there of the old installation.

    `webhooks` are names of ValidatingWebhookConfigurations, `converter` the namespace of the
    Service that converts BGPPeers (empty: nobody does). `has_old_kind`: Deckhouse's internal kind
    is there. `has_ledger`: our own kind is there, so that addresses can be entered.
    """

    programs: tuple[Program, ...] = ()
    webhooks: tuple[str, ...] = ()
    converter: str = ""
    has_old_kind: bool = False
    has_ledger: bool = True

    @property
    def load_balancer_class(self) -> str:
        """Give the class that the old controller filters Services by; empty: it does not."""
        return next(filter(None, (item.load_balancer_class for item in self.programs)), "")


def find_leftovers(objects: Objects, namespace: str = NAMESPACE) -> Leftovers:
    """Look for the old installation; `namespace` is that of this module."""
    programs = [
        program
        for kind in ("Deployment", "DaemonSet")
        for value in objects.get(kind, ())
        if _is_old(value)
        for program in [_program(kind, value)]
    ]
    definitions = {read_metadata(Fields(item)).key.name: item for item in _definitions(objects)}
    return Leftovers(
        tuple(sorted(programs, key=lambda item: (item.kind, item.key))),
        tuple(sorted(_webhooks(objects))),
        _converter(definitions.get(CONVERTED, {}), namespace),
        DECKHOUSE_KIND in definitions,
        VIRTUAL_IP_CRD in definitions,
    )


def _definitions(objects: Objects) -> Iterator[JsonObject]:
    yield from objects.get("CustomResourceDefinition", ())


def _is_old(value: JsonObject) -> bool:
    labels = labels_of(value)
    if labels.get("module") == "metallb" and labels.get("heritage") == "deckhouse":
        return not any(item.startswith(_OUR_PORT) for item in _arguments(value))
    return not _names(labels).isdisjoint(_APPS)


def _names(labels: Mapping[str, str]) -> set[str]:
    return {labels.get("app", ""), labels.get("app.kubernetes.io/name", "")}


def _arguments(value: JsonObject) -> tuple[str, ...]:
    spec = Fields(value).child("spec").child("template").child("spec")
    return tuple(text for item in spec.children("containers") for text in item.texts("args"))


def _program(kind: str, value: JsonObject) -> Program:
    fields = Fields(value)
    status = fields.child("status")
    name = "replicas" if kind == "Deployment" else "desiredNumberScheduled"
    named = (item for item in _arguments(value) if item.startswith(_CLASS_OPTION))
    return Program(
        kind,
        read_metadata(fields).key,
        status.integer(name, 0, 0, 2**31 - 1),
        next(named, _CLASS_OPTION).removeprefix(_CLASS_OPTION),
        _ROUTER in _names(labels_of(value)),
    )


def _webhooks(objects: Objects) -> Iterator[str]:
    for value in objects.get("ValidatingWebhookConfiguration", ()):
        fields = Fields(value)
        name = read_metadata(fields).key.name
        rules = (rule for hook in fields.children("webhooks") for rule in hook.children("rules"))
        if name != CONFIGURATION and any(NATIVE_GROUP in rule.texts("apiGroups") for rule in rules):
            yield name


def _converter(definition: JsonObject, ours: str) -> str:
    conversion = Fields(definition).child("spec").child("conversion")
    service = conversion.child("webhook").child("clientConfig").child("service")
    namespace = service.text("namespace")
    return "" if namespace == ours else namespace
