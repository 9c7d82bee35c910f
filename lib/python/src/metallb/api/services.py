"""Services as we see them: what one asks for, what it was given, and nothing else of it.

Annotations come in two dialects. Deckhouse's have the prefix ``network.deckhouse.io/``; MetalLB's
have ``metallb.io/``, or ``metallb.universe.tf/`` as it was once, and of these two the one that is
there first counts, even if it is empty.

Ten thousand of them are held in memory, so the value keeps only what a decision reads. Reading
never raises: the API server has checked the types already, and what an annotation says is judged
in `metallb.domain.requests`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from metallb.api.conditions import SERVICE_CONDITIONS, Condition, ServiceCondition, read_conditions
from metallb.api.fields import Fields
from metallb.api.meta import GROUP, Metadata, MetadataObject, Reference, read_metadata
from metallb.api.virtual_ips import TrafficPolicy

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

CLASS_ANNOTATION = f"{GROUP}/metal-load-balancer-class"
COUNT_ANNOTATION = f"{GROUP}/l2-load-balancer-external-ips-count"
ADDRESSES_ANNOTATION = f"{GROUP}/load-balancer-ips"
SHARING_ANNOTATION = f"{GROUP}/load-balancer-shared-ip-key"
POOL_ANNOTATION = f"{GROUP}/load-balancer-pool"
RETENTION_ANNOTATION = f"{GROUP}/load-balancer-retention-seconds"
HOSTNAME_ANNOTATION = f"{GROUP}/load-balancer-hostname"

NATIVE_PREFIXES = ("metallb.io", "metallb.universe.tf")
NATIVE_POOL_ANNOTATION = f"{NATIVE_PREFIXES[0]}/address-pool"
NATIVE_ADDRESSES_ANNOTATION = f"{NATIVE_PREFIXES[0]}/loadBalancerIPs"
NATIVE_SHARING_ANNOTATION = f"{NATIVE_PREFIXES[0]}/allow-shared-ip"
_DEPRECATED = tuple(
    f"{NATIVE_PREFIXES[1]}/{name.partition('/')[2]}"
    for name in (NATIVE_POOL_ANNOTATION, NATIVE_ADDRESSES_ANNOTATION, NATIVE_SHARING_ANNOTATION)
)
ALLOCATED_FROM_ANNOTATION = f"{NATIVE_PREFIXES[0]}/ip-allocated-from-pool"
"""Written by us: which pool the addresses of a Service are of."""


class _SpecObject(TypedDict, total=False):
    type: Any
    externalTrafficPolicy: Any
    loadBalancerClass: Any
    ipFamilies: Any
    ipFamilyPolicy: Any
    clusterIPs: Any
    ports: Any
    selector: Any
    loadBalancerIP: Any
    healthCheckNodePort: Any


class ServiceObject(TypedDict, total=False):
    """The fields of a Service that `read_service` reads, as JSON (`metallb.kube.decoding`)."""

    metadata: MetadataObject
    spec: _SpecObject
    status: Any


class ServicePort(NamedTuple):
    """What must differ between Services that share an address."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True, slots=True)
class Ingress:
    """One entry of `status.loadBalancer.ingress`."""

    ip: str
    ip_mode: str = "VIP"
    hostname: str = ""

    @property
    def is_vip(self) -> bool:
        """Whether traffic to the address is delivered with that destination.

        That is the default; servers that do not know the mode do not keep it.
        """
        return self.ip_mode in ("", "VIP")


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of any type.

    Annotation texts are None when absent (an empty text is a wish, and a wrong one); those named
    `native_` are MetalLB's. `load_balancer_ip` is `spec.loadBalancerIP`, empty when absent.
    `ip_families` are those of the cluster IPs when the Service is too old to name any. `labels` and
    `selector` are sorted pairs. `conditions` are those of `ServiceCondition`.
    """

    meta: Metadata
    is_load_balancer: bool
    load_balancer_class: str
    class_annotation: str | None
    count_annotation: str | None
    addresses_annotation: str | None
    sharing_annotation: str | None
    ip_families: tuple[str, ...]
    ip_family_policy: str
    traffic_policy: TrafficPolicy
    ports: tuple[ServicePort, ...]
    selector: tuple[tuple[str, str], ...]
    ingress: tuple[Ingress, ...]
    conditions: tuple[Condition, ...]
    labels: tuple[tuple[str, str], ...] = ()
    pool_annotation: str | None = None
    retention_annotation: str | None = None
    load_balancer_ip: str = ""
    native_pool_annotation: str | None = None
    native_addresses_annotation: str | None = None
    native_sharing_annotation: str | None = None
    allocated_from: str | None = None
    hostname_annotation: str | None = None
    deprecated_annotations: tuple[str, ...] = ()
    """Names of those of MetalLB's that have its old prefix, whether they are read or not."""
    health_check_port: int = 0
    """`spec.healthCheckNodePort`; 0: none, as with any policy but Local."""

    def condition(self, kind: ServiceCondition) -> Condition | None:
        """Find one of our conditions."""
        return next((item for item in self.conditions if item.type == kind), None)

    def binding_record(self) -> tuple[str, str] | None:
        """Give message and reason of the condition that binds the Service to a class."""
        bound = self.condition(ServiceCondition.CLASS)
        return None if bound is None else (bound.message, bound.reason)

    def asks_the_same_as(self, other: Service) -> bool:
        """Tell whether nothing differs that a decision about addresses reads, the binding apart."""
        return self._asked() == other._asked()

    def _asked(self) -> tuple[object, ...]:
        return (
            self.meta.uid,
            self.meta.is_deleting,
            self.is_load_balancer,
            self.load_balancer_class,
            self.class_annotation,
            self.count_annotation,
            self.addresses_annotation,
            self.sharing_annotation,
            self.ip_families,
            self.ip_family_policy,
            self.traffic_policy,
            self.ports,
            self.selector,
            self.labels,
            self.pool_annotation,
            self.load_balancer_ip,
            self.native_pool_annotation,
            self.native_addresses_annotation,
            self.native_sharing_annotation,
            self.retention_annotation,
            self.hostname_annotation,
            self.deprecated_annotations,
            self.health_check_port,
        )

    @property
    def requests_addresses(self) -> bool:
        """Whether it seems to request certain addresses; who does is served first."""
        return bool(
            self.addresses_annotation or self.native_addresses_annotation or self.load_balancer_ip
        )

    def reference(self) -> Reference:
        """Reference for Events."""
        return Reference("v1", "Service", self.meta.key, self.meta.uid, self.meta.resource_version)


def read_service(value: JsonObject) -> Service:
    """Read a Service object."""
    fields = Fields(value)
    spec, status = fields.child("spec"), fields.child("status")
    meta = fields.child("metadata")
    annotations = meta.child("annotations").value
    is_local = spec.value.get("externalTrafficPolicy") == TrafficPolicy.LOCAL
    return Service(
        meta=read_metadata(fields),
        is_load_balancer=spec.value.get("type") == "LoadBalancer",
        load_balancer_class=spec.word("loadBalancerClass"),
        class_annotation=_text(annotations.get(CLASS_ANNOTATION)),
        count_annotation=_text(annotations.get(COUNT_ANNOTATION)),
        addresses_annotation=_text(annotations.get(ADDRESSES_ANNOTATION)),
        sharing_annotation=_text(annotations.get(SHARING_ANNOTATION)),
        ip_families=_families(spec),
        ip_family_policy=spec.word("ipFamilyPolicy"),
        traffic_policy=TrafficPolicy.LOCAL if is_local else TrafficPolicy.CLUSTER,
        ports=tuple(
            ServicePort(item.word("protocol", "TCP"), item.integer("port", 0, 0, 65_535))
            for item in spec.children("ports")
        ),
        selector=tuple(sorted(spec.mapping("selector").items())),
        ingress=tuple(
            Ingress(item.text("ip"), item.word("ipMode"), item.text("hostname"))
            for item in status.child("loadBalancer").children("ingress")
        ),
        conditions=tuple(read_conditions(status, SERVICE_CONDITIONS).values()),
        labels=tuple(sorted(meta.mapping("labels").items())),
        pool_annotation=_text(annotations.get(POOL_ANNOTATION)),
        retention_annotation=_text(annotations.get(RETENTION_ANNOTATION)),
        load_balancer_ip=spec.text("loadBalancerIP"),
        native_pool_annotation=_native(annotations, NATIVE_POOL_ANNOTATION),
        native_addresses_annotation=_native(annotations, NATIVE_ADDRESSES_ANNOTATION),
        native_sharing_annotation=_native(annotations, NATIVE_SHARING_ANNOTATION),
        allocated_from=_text(annotations.get(ALLOCATED_FROM_ANNOTATION)),
        hostname_annotation=_text(annotations.get(HOSTNAME_ANNOTATION)),
        deprecated_annotations=tuple(name for name in _DEPRECATED if name in annotations),
        health_check_port=spec.integer("healthCheckNodePort", 0, 0, 65_535),
    )


def _families(spec: Fields) -> tuple[str, ...]:
    named = spec.words("ipFamilies")
    if named:
        return named
    addresses = (text for text in spec.texts("clusterIPs") if text not in ("", "None"))
    return tuple(dict.fromkeys("IPv6" if ":" in text else "IPv4" for text in addresses))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _native(annotations: JsonObject, name: str) -> str | None:
    """Read an annotation of MetalLB's under the prefix that is there first."""
    word = name.partition("/")[2]
    for prefix in NATIVE_PREFIXES:
        if (key := f"{prefix}/{word}") in annotations:
            return _text(annotations[key])
    return None


def ingress_object(
    addresses: tuple[str, ...], hostnames: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Give the JSON form of `status.loadBalancer.ingress`; `hostnames` are those of the addresses.

    An empty hostname, or none at all, is left out.
    """
    found: list[dict[str, Any]] = [{"ip": address, "ipMode": "VIP"} for address in addresses]
    for item, hostname in zip(found, hostnames, strict=False):
        if hostname:
            item["hostname"] = hostname
    return found
