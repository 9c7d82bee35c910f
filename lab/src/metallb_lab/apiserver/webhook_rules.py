"""Which webhooks a request concerns: rules, selectors, match policy. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import selectors
from metallb_lab.apiserver.store import Key, Store, Stored

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.requests import Call
    from metallb_lab.apiserver.resources import Resource

GROUP = "admissionregistration.k8s.io"


@dataclass(frozen=True)
class Invocation:
    """One webhook to call, and the version of the resource in which it wants to see objects."""

    configuration: str
    hook: Document
    resource: Resource

    @property
    def name(self) -> str:
        """The webhook's name."""
        return str(self.hook["name"])


def relevant(
    store: Store,
    registry: Registry,
    kind: str,
    call: Call,
    operation: str,
    new: Document | None,
    old: Document | None,
) -> list[Invocation]:
    """The webhooks of one kind of configuration that this request concerns, in their order."""
    table = store.table(f"{kind}.{GROUP}")
    if not len(table) or call.resource.group == GROUP:
        return []
    found = []
    for stored in table.scan():
        for hook in stored.value.get("webhooks", ()):
            resource = matched_resource(hook, call, operation, registry)
            if resource is not None and selected(hook, store, call, new, old):
                found.append(Invocation(stored.key.name, hook, resource))
    return found


def matched_resource(
    hook: Document, call: Call, operation: str, registry: Registry
) -> Resource | None:
    """The resource by which the rules match: the request's own, or an equivalent one."""
    candidates = [call.resource]
    if hook.get("matchPolicy") == "Equivalent":
        candidates += registry.siblings(call.resource)
    for resource in candidates:
        for rule in hook.get("rules", ()):
            if rule_matches(rule, resource, call, operation):
                return resource
    return None


def rule_matches(rule: Document, resource: Resource, call: Call, operation: str) -> bool:
    """Operations, groups, versions, resources, scope; ``*`` stands for all."""

    def among(name: str, value: str) -> bool:
        values = rule.get(name) or ()
        return "*" in values or value in values

    scope = rule.get("scope", "*")
    own_scope = "Namespaced" if resource.namespaced else "Cluster"
    return (
        among("operations", operation)
        and among("apiGroups", resource.group)
        and among("apiVersions", resource.gv.version)
        and scope in ("*", own_scope)
        and any(
            resource_matches(pattern, resource.plural, call.target.subresource)
            for pattern in rule.get("resources") or ()
        )
    )


def resource_matches(pattern: str, plural: str, subresource: str) -> bool:
    """``services``, ``services/status``, ``services/*``, ``*``, ``*/status``, ``*/*``."""
    left, slash, right = pattern.partition("/")
    if left not in ("*", plural):
        return False
    if not slash:
        return not subresource
    return right in ("*", subresource)


def selected(
    hook: Document,
    store: Store,
    call: Call,
    new: Document | None,
    old: Document | None,
) -> bool:
    """NamespaceSelector and objectSelector."""
    if raw := hook.get("namespaceSelector"):
        labels = namespace_labels(store, call, new)
        chosen = selectors.from_object(raw)
        if labels is not None and not selectors.matches_labels(chosen, labels):
            return False
    if raw := hook.get("objectSelector"):
        chosen = selectors.from_object(raw)
        objects = [o for o in (new, old) if o is not None]
        return any(selectors.matches_labels(chosen, o["metadata"].get("labels")) for o in objects)
    return True


def namespace_labels(store: Store, call: Call, new: Document | None) -> dict[str, Any] | None:
    """Labels of the namespace; a Namespace has its own; cluster-scoped objects have none."""
    if call.resource.table == "namespaces":
        name = call.target.name
        if new is not None:
            return dict(new["metadata"].get("labels") or {})
    elif call.resource.namespaced:
        name = call.target.namespace
    else:
        return None
    found: Stored | None = store.table("namespaces").get(Key("", name))
    return dict(found.value["metadata"].get("labels") or {}) if found is not None else {}
