"""Label selectors: by equality, as Deckhouse's kinds have them, and those of metav1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """``spec.nodeSelector``: every pair must be a label of the node; no pair selects every node."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> NodeSelector:
        """Make a selector of a map of labels."""
        return cls(tuple(sorted(labels.items())))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        return all(labels.get(name) == value for name, value in self.pairs)

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.pairs) or "every node"


class Operator(StrEnum):
    """Operators of a requirement (metav1.LabelSelectorRequirement)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of ``matchExpressions``; `values` are sorted, and none for (DoesNot)Exist(s)."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil it; a label that is absent is not in any set."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """metav1.LabelSelector: all requirements hold; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> LabelSelector:
        """Make a selector of a map of labels (``matchLabels``)."""
        pairs = sorted(labels.items())
        return cls(tuple(Requirement(key, Operator.IN, (value,)) for key, value in pairs))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        return all(item.matches(labels) for item in self.requirements)


def any_matches(selectors: tuple[LabelSelector, ...], labels: Mapping[str, str]) -> bool:
    """Tell whether one of several selectors matches; without any, all is selected."""
    return not selectors or any(item.matches(labels) for item in selectors)
