"""What a fresh cluster has: four namespaces and the Service ``kubernetes``."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import metadata
from metallb_lab.apiserver.documents import now
from metallb_lab.apiserver.store import Key, Store

if TYPE_CHECKING:
    from metallb_lab.apiserver.registry import Registry

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")


def bootstrap(registry: Registry, store: Store, service_cidrs: tuple[str, ...]) -> None:
    """Writes them, past admission."""
    for name in NAMESPACES:
        create(registry, store, "namespaces", "", {"metadata": {"name": name}})
    labels = {"component": "apiserver", "provider": "kubernetes"}
    address = str(ip_network(service_cidrs[0])[1])
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
    service = {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"clusterIP": address, "clusterIPs": [address], "ports": [port]},
    }
    create(registry, store, "services", "default", service)


def create(
    registry: Registry, store: Store, plural: str, namespace: str, document: dict[str, Any]
) -> None:
    """One object, as the server itself makes it."""
    strategy = registry.resource(plural).strategy
    new = strategy.decode(document, [])
    metadata.prepare_create(new, namespace, now())
    reservation = strategy.begin(new, None)
    strategy.prepare_create(new)
    store.table(plural).put(Key(namespace, new["metadata"]["name"]), new)
    if reservation is not None:
        reservation.commit()
