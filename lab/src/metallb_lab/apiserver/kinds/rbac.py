"""RBAC objects: stored and validated, **not enforced**.

Every client with a valid token may do everything here. What a role would forbid is for tests
against the real server to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver import metadata
from metallb_lab.apiserver.errors import FieldError, invalid, not_supported, required
from metallb_lab.apiserver.resources import PlainStrategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

GROUP = "rbac.authorization.k8s.io"
SUBJECTS = ["ServiceAccount", "User", "Group"]


class RoleStrategy(PlainStrategy):
    """Roles and ClusterRoles."""

    create_on_update = True

    def name_fault(self, name: str) -> str | None:
        """Anything that can stand in a path."""
        return metadata.path_segment(name)

    def default(self, obj: Document) -> None:
        """Go writes ``rules`` even when there are none."""
        obj["rules"] = obj.get("rules") or None

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Every rule names verbs and resources, or non-resource URLs in a ClusterRole."""
        found = []
        for index, rule in enumerate(new.get("rules") or ()):
            path = f"rules[{index}]"
            if not rule.get("verbs"):
                found.append(required(f"{path}.verbs", "verbs must contain at least one value"))
            if rule.get("nonResourceURLs"):
                if self.kind == "Role":
                    why = "namespaced rules cannot apply to non-resource URLs"
                    found.append(invalid(f"{path}.nonResourceURLs", rule["nonResourceURLs"], why))
                continue
            if not rule.get("apiGroups"):
                why = "resource rules must supply at least one api group"
                found.append(required(f"{path}.apiGroups", why))
            if not rule.get("resources"):
                why = "resource rules must supply at least one resource"
                found.append(required(f"{path}.resources", why))
        return found


class BindingStrategy(PlainStrategy):
    """RoleBindings and ClusterRoleBindings."""

    create_on_update = True

    def name_fault(self, name: str) -> str | None:
        """Anything that can stand in a path."""
        return metadata.path_segment(name)

    def default(self, obj: Document) -> None:
        """The API group of roles and of people."""
        reference = obj.setdefault("roleRef", {})
        if not reference.get("apiGroup"):
            reference["apiGroup"] = GROUP
        for subject in obj.get("subjects", ()):
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = GROUP

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """A role that never changes, and subjects that can be found."""
        reference = new["roleRef"]
        kinds = ["ClusterRole"] if self.kind == "ClusterRoleBinding" else ["Role", "ClusterRole"]
        found = []
        if reference.get("kind") not in kinds:
            found.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds))
        if not reference.get("name"):
            found.append(required("roleRef.name"))
        for index, subject in enumerate(new.get("subjects", ())):
            path = f"subjects[{index}]"
            kind = subject.get("kind", "")
            if not subject.get("name"):
                found.append(required(f"{path}.name"))
            if kind not in SUBJECTS:
                found.append(not_supported(f"{path}.kind", kind, SUBJECTS))
            elif kind == "ServiceAccount" and not subject.get("namespace"):
                found.append(required(f"{path}.namespace"))
        if old is not None and reference != old["roleRef"]:
            found.append(invalid("roleRef", reference, "cannot change roleRef"))
        return found
