"""Deployments and DaemonSets: stored, defaulted, validated; no controller runs them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from metallb_lab.apiserver import selectors
from metallb_lab.apiserver.errors import FieldError, invalid, not_supported, required
from metallb_lab.apiserver.kinds.pod_defaults import default_pod_spec, validate_pod_spec
from metallb_lab.apiserver.resources import PlainStrategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class WorkloadStrategy(PlainStrategy):
    """What both share: a selector, a template, a status."""

    has_status = True
    generations = True
    rollout: ClassVar[str]
    rollouts: ClassVar[list[str]]

    def default(self, obj: Document) -> None:
        """The template's pod spec, and what the kind adds."""
        spec = obj.setdefault("spec", {})
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))
        spec.setdefault("revisionHistoryLimit", 10)
        obj.setdefault("status", {})

    def prepare_create(self, new: Document) -> None:
        """An empty status."""
        super().prepare_create(new)
        new["status"] = {}

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """The selector selects the template and never changes."""
        spec = new["spec"]
        selector = spec.get("selector")
        labels = spec["template"]["metadata"].get("labels") or {}
        found = []
        if selector is None:
            found.append(required("spec.selector"))
        elif not selector:
            why = "empty selector is invalid for "
            found.append(invalid("spec.selector", selector, why + self.kind.lower()))
        elif not selectors.matches_labels(selectors.from_object(selector), labels):
            why = "`selector` does not match template `labels`"
            found.append(invalid("spec.template.metadata.labels", labels, why))
        found += validate_pod_spec(spec["template"]["spec"], "spec.template.spec")
        policy = spec["template"]["spec"]["restartPolicy"]
        if policy in ("OnFailure", "Never"):
            path = "spec.template.spec.restartPolicy"
            found.append(not_supported(path, policy, ["Always"]))
        if spec.get("minReadySeconds", 0) < 0:
            why = "must be greater than or equal to 0"
            found.append(invalid("spec.minReadySeconds", spec["minReadySeconds"], why))
        rollout = spec[self.rollout]
        if rollout["type"] not in self.rollouts:
            found.append(not_supported(f"spec.{self.rollout}", rollout, self.rollouts))
        if old is not None and selector != old["spec"].get("selector"):
            found.append(invalid("spec.selector", selector, "field is immutable"))
        return found


class DeploymentStrategy(WorkloadStrategy):
    """``apps/v1`` Deployments."""

    qualified_finalizers = "create"
    rollout = "strategy"
    rollouts: ClassVar[list[str]] = ["Recreate", "RollingUpdate"]

    def spec_of(self, obj: Document) -> object:
        """Annotations count here, because replica sets carry them on."""
        return [obj.get("spec"), obj["metadata"].get("annotations")]

    def default(self, obj: Document) -> None:
        """Replicas and the rollout."""
        super().default(obj)
        spec = obj["spec"]
        spec.setdefault("replicas", 1)
        spec.setdefault("progressDeadlineSeconds", 600)
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Replicas are not negative."""
        found = super().validate(new, old)
        if new["spec"]["replicas"] < 0:
            why = "must be greater than or equal to 0"
            found.append(invalid("spec.replicas", new["spec"]["replicas"], why))
        return found


class DaemonSetStrategy(WorkloadStrategy):
    """``apps/v1`` DaemonSets."""

    rollout = "updateStrategy"
    rollouts: ClassVar[list[str]] = ["RollingUpdate", "OnDelete"]

    def default(self, obj: Document) -> None:
        """The rollout."""
        super().default(obj)
        strategy = obj["spec"].setdefault("updateStrategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        status = obj["status"]
        for name in ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled"):
            status.setdefault(name, 0)
        status.setdefault("numberReady", 0)

    def prepare_create(self, new: Document) -> None:
        """The template's generation, kept in an annotation for old clients."""
        super().prepare_create(new)
        self.default(new)
        new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"

    def prepare_update(self, new: Document, old: Document) -> None:
        """The template's generation follows the template."""
        super().prepare_update(new, old)
        before = old["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "1")
        changed = new["spec"]["template"] != old["spec"]["template"]
        generation = str(int(before) + 1) if changed else before
        new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = generation
