"""Label selectors: by equality, as Deckhouse's kinds have them, and those of metav1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.api.fields import Fields, shown
from metallb.api.label_syntax import is_label_key, is_label_value

if TYPE_CHECKING:
    from collections.abc import Mapping


_NO_NODE = ("", "")
"""No label has this name, so no node is selected by it."""


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
        if _NO_NODE in self.pairs:
            return "no node"
        return ",".join(f"{name}={value}" for name, value in self.pairs) or "every node"


class Operator(StrEnum):
    """Operators of a requirement (metav1.LabelSelectorRequirement)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_OPERATORS = [*map(str, Operator)]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of ``matchExpressions``; `values` are sorted, and none for Exists and DoesNotExist."""

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
            case _:  # DoesNotExist
                return self.key not in labels

    def __str__(self) -> str:
        """Give it as kubectl writes it."""
        values = f"({','.join(self.values)})"
        match self.operator:
            case Operator.IN:
                is_lone = len(self.values) == 1
                return f"{self.key}={self.values[0]}" if is_lone else f"{self.key} in {values}"
            case Operator.NOT_IN:
                return f"{self.key} notin {values}"
            case Operator.EXISTS:
                return self.key
            case _:  # DoesNotExist
                return f"!{self.key}"


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

    def __str__(self) -> str:
        if any(not item.key for item in self.requirements):
            return "nothing"
        return ",".join(map(str, self.requirements)) or "everything"


NOTHING = LabelSelector((Requirement("", Operator.IN),))
"""What a malformed selector is read as: it must not select everything."""


def any_matches(selectors: tuple[LabelSelector, ...], labels: Mapping[str, str]) -> bool:
    """Tell whether one of several selectors matches; without any, all is selected."""
    return not selectors or any(item.matches(labels) for item in selectors)


# -- reading ---------------------------------------------------------------------------------------


def read_node_selector(fields: Fields, name: str) -> NodeSelector:
    """Read a map of labels; with a malformed part, which is noted, it selects no node."""
    before = len(fields.problems)
    labels = fields.mapping(name)
    if len(fields.problems) > before:
        labels |= [_NO_NODE]
    return NodeSelector.of(labels)


def read_selectors(fields: Fields, name: str) -> tuple[LabelSelector, ...]:
    """Read a list of metav1 selectors, each once.

    What is malformed is noted and selects nothing: a list without any item would select all. A
    selector, a requirement or a value that is repeated is noted, as MetalLB refuses it, and does no
    harm.
    """
    before = len(fields.problems)
    found: dict[LabelSelector, None] = {}
    seen: dict[tuple[LabelSelector, frozenset[str]], str] = {}
    for item in fields.children(name):
        selector = read_selector(item)
        form = (selector, frozenset(Fields(item.value).mapping("matchLabels")))
        if selector != NOTHING and form in seen:
            fields.note(item.path.rpartition(".")[2], f"the same selector as {seen[form]}")
        seen.setdefault(form, item.path)
        found[selector] = None
    if not found and len(fields.problems) > before:
        return (NOTHING,)
    return tuple(found)


def read_selector(fields: Fields) -> LabelSelector:
    """Read a metav1 selector; `NOTHING` when a part of it is malformed, which is noted."""
    before = len(fields.problems)
    labels = _read_labels(fields)
    repeated: list[tuple[str, str]] = []
    expressions = _read_expressions(fields, repeated)
    if len(fields.problems) > before:
        return NOTHING
    for path, message in repeated:
        fields.note(path, message)
    return LabelSelector(tuple(sorted({*labels, *expressions}, key=_in_order)))


def _in_order(item: Requirement) -> tuple[str, str, tuple[str, ...]]:
    return item.key, item.operator, item.values


def _read_labels(fields: Fields) -> list[Requirement]:
    """Read ``matchLabels``."""
    found = []
    for key, value in fields.mapping("matchLabels").items():
        name = f"matchLabels[{shown(key)}]"
        _check_label(fields, name, key, name, (value,))
        found.append(Requirement(key, Operator.IN, (value,)))
    return found


def _read_expressions(fields: Fields, repeated: list[tuple[str, str]]) -> list[Requirement]:
    """Read ``matchExpressions``; what is there more than once goes to `repeated`, once to the
    result.
    """
    seen: dict[Requirement, str] = {}
    for index, item in enumerate(fields.children("matchExpressions")):
        operator, values = item.text("operator"), item.texts("values")
        if operator not in _OPERATORS:
            item.note("operator", f"{shown(operator)} is not one of {', '.join(_OPERATORS)}")
            continue
        if bool(values) != (operator in (Operator.IN, Operator.NOT_IN)):
            wish = "at least one value is" if not values else "no value is"
            item.note("values", f"{wish} wanted with the operator {operator}")
        _check_label(item, "key", item.text("key"), "values", values)
        path = f"matchExpressions[{index}]"
        if len(set(values)) < len(values):
            repeated.append((f"{path}.values", "a value is there more than once"))
        found = Requirement(item.text("key"), Operator(operator), tuple(sorted(set(values))))
        if found in seen:
            repeated.append((path, f"the same requirement as {seen[found]}"))
        seen.setdefault(found, item.path)
    return list(seen)


def _check_label(
    fields: Fields, key_name: str, key: str, values_name: str, values: tuple[str, ...]
) -> None:
    if not is_label_key(key):
        fields.note(key_name, f"{shown(key)} cannot be the name of a label")
    for value in values:
        if not is_label_value(value):
            fields.note(values_name, f"{shown(value)} cannot be the value of a label")
