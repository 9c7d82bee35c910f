"""Discovery: which groups, versions and resources there are, in both of its forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver.resources import ALL_VERBS

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.resources import Resource

AGGREGATED = {"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}
AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Whether a client prefers the aggregated form, in JSON and in the version that we speak."""
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(p.split("=", 1) for p in rest if "=" in p)
        if media != "application/json":
            continue
        if all(parameters.get(k) == v for k, v in AGGREGATED.items()):
            return True
        if "as" not in parameters:
            return False
    return False


# ---------------------------------------------------------------- the old form


def api_versions() -> Document:
    """``/api``."""
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": ""}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def api_group(group: str, versions: list[str]) -> Document:
    """``/apis/GROUP``."""
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def api_group_list(registry: Registry) -> Document:
    """``/apis``."""
    groups = [api_group(g, v) for g, v in registry.groups().items() if g]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_resource_list(group_version: str, resources: list[Resource]) -> Document:
    """``/api/v1`` and ``/apis/GROUP/VERSION``."""
    listed: list[Document] = []
    for resource in sorted(resources, key=lambda r: r.plural):
        listed.append(api_resource(resource))
        listed += [
            {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": list(verbs),
            }
            for name, verbs in sorted(resource.subresources.items())
        ]
    version = {} if group_version == "v1" else {"apiVersion": "v1"}
    head = {"kind": "APIResourceList", **version, "groupVersion": group_version}
    return {**head, "resources": listed}


def api_resource(resource: Resource) -> Document:
    """One resource."""
    out: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(ALL_VERBS),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    return out


# ---------------------------------------------------------------- the aggregated form


def aggregated(registry: Registry, *, core: bool) -> Document:
    """``APIGroupDiscoveryList`` of ``/api`` (core) or ``/apis`` (the rest)."""
    items = []
    for group, versions in registry.groups().items():
        if (group == "") is not core:
            continue
        items.append(
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {},
                "versions": [
                    {
                        "version": version,
                        "resources": [
                            discovered(r)
                            for r in sorted(
                                registry.of_version(group, version), key=lambda r: r.plural
                            )
                        ],
                        "freshness": "Current",
                    }
                    for version in versions
                ],
            }
        )
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"}
    return {**head, "metadata": {}, "items": items}


def discovered(resource: Resource) -> Document:
    """One resource."""
    kind = {
        "group": resource.group,
        "version": resource.gv.version,
        "kind": resource.kind,
    }
    out: Document = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(ALL_VERBS),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    if resource.subresources:
        out["subresources"] = [
            {"subresource": name, "responseKind": kind, "verbs": list(verbs)}
            for name, verbs in sorted(resource.subresources.items())
        ]
    return out
