"""The resources that are served now, by path and by kind; CRDs come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb_lab.apiserver.resources import Resource

GROUP_ORDER = [
    "", "apps", "events.k8s.io", "rbac.authorization.k8s.io", "admissionregistration.k8s.io",
    "apiextensions.k8s.io", "coordination.k8s.io", "discovery.k8s.io",
]  # fmt: skip


class Registry:
    """Look-ups, and a revision that changes with the set."""

    def __init__(self, builtin: Iterable[Resource]) -> None:
        self.revision = 0
        self._served: dict[tuple[str, str, str], Resource] = {}
        self._custom: dict[str, list[Resource]] = {}
        for resource in builtin:
            self._served[resource.group, resource.gv.version, resource.plural] = resource

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a path."""
        return self._served.get((group, version, plural))

    def resource(self, plural: str, group: str = "") -> Resource:
        """A resource that must be there, in any version."""
        return next(r for r in self if r.plural == plural and r.group == group)

    def siblings(self, resource: Resource) -> list[Resource]:
        """The same objects in other groups or versions."""
        return [r for r in self if r.table == resource.table and r is not resource]

    def __iter__(self) -> Iterator[Resource]:
        return iter(tuple(self._served.values()))

    def groups(self) -> dict[str, list[str]]:
        """Groups in order, each with its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for resource in self._served.values():
            versions = found.setdefault(resource.group, [])
            if resource.gv.version not in versions:
                versions.append(resource.gv.version)
        order = {group: index for index, group in enumerate(GROUP_ORDER)}
        return {
            group: sorted(found[group], key=version_rank)
            for group in sorted(found, key=lambda g: (order.get(g, len(order)), g))
        }

    def of_version(self, group: str, version: str) -> list[Resource]:
        """What one group version serves."""
        return [r for r in self._served.values() if (r.group, r.gv.version) == (group, version)]

    def serve(self, crd: str, resources: list[Resource]) -> None:
        """Serves (or serves anew) what a CRD defines."""
        self.withdraw(crd)
        self._custom[crd] = resources
        for resource in resources:
            self._served[resource.group, resource.gv.version, resource.plural] = resource
        self.revision += 1

    def served_by(self, crd: str) -> list[Resource]:
        """What a CRD's versions are served as."""
        return self._custom.get(crd, [])

    def withdraw(self, crd: str) -> list[Resource]:
        """Stops to serve what a CRD defined."""
        gone = self._custom.pop(crd, [])
        for resource in gone:
            self._served.pop((resource.group, resource.gv.version, resource.plural), None)
        if gone:
            self.revision += 1
        return gone


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2, v1, v1beta2, v1alpha1, others."""
    for level, word in enumerate(("", "beta", "alpha")):
        head, found, tail = version.partition(word) if word else (version, "", "")
        numbers = (head[1:], tail if found else "0")
        right_form = head.startswith("v") and all(n.isdigit() for n in numbers)
        if right_form and (bool(found) or not word):
            return (level, -int(numbers[0]), -int(numbers[1]), "")
    return (3, 0, 0, version)
