"""CEL rules of structural schemas (``x-kubernetes-validations``).

The language is PyPI's ``common-expression-language`` (Rust; docs/internal/adr/0005). Rules are
compiled when a CRD is written, and a rule that cannot be is a reason to refuse it. Values are
converted by their schema: a ``number`` is a double even when it is written 5, a ``date-time`` is
a timestamp, property names are escaped.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.documents import same
from metallb_lab.apiserver.errors import FieldError, invalid
from metallb_lab.apiserver.schema.cel_functions import registered
from metallb_lab.apiserver.schema.cel_source import (
    ROOTS,
    SourceError,
    check_fields,
    escape,
    free_names,
    rewritten,
)
from metallb_lab.apiserver.schema.validation import MISSING, correlated, under

if TYPE_CHECKING:
    from metallb_lab.apiserver.schema.structural import Node

GO_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
MESSAGE_LIMIT = 5 * 1024


@cache
def library() -> Any:
    """The extension module alone: the package around it imports a terminal shell, for 0.5 s."""
    package = importlib.util.find_spec("cel")
    locations = package.submodule_search_locations if package is not None else None
    if not locations:
        raise ImportError("common-expression-language is not installed")
    spec = importlib.machinery.PathFinder.find_spec("cel.cel", list(locations))
    assert spec is not None
    assert spec.loader is not None
    if spec.name in sys.modules:
        return sys.modules[spec.name]
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Rule:
    """One compiled rule."""

    source: str
    program: Any
    message: str
    message_program: Any
    reason: str
    field_path: str
    uses_old: bool
    optional_old: bool


@dataclass
class RuleTree:
    """Rules of a schema, by where they stand; only branches that hold rules."""

    node: Node
    root: bool = False
    rules: list[Rule] = field(default_factory=list)
    properties: dict[str, RuleTree] = field(default_factory=dict)
    additional: RuleTree | None = None
    items: RuleTree | None = None

    @property
    def empty(self) -> bool:
        """No rule here or below."""
        below = [*self.properties.values(), self.additional, self.items]
        return not self.rules and all(t is None for t in below)


# ---------------------------------------------------------------- compiling


def compile_rules(node: Node, path: str, found: list[FieldError], root: bool = True) -> RuleTree:
    """All rules of a schema; faults go to ``found`` with the path of the rule in the CRD."""
    return compile_tree(node, path, found, root, correlatable=True)


def compile_tree(
    node: Node, path: str, found: list[FieldError], root: bool, correlatable: bool
) -> RuleTree:
    """One level and what is below it."""
    tree = RuleTree(node, root)
    for index, raw in enumerate(node.rules):
        where = f"{path}.x-kubernetes-validations[{index}]"
        rule = compile_rule(raw, node, where, found, root, correlatable)
        if rule is not None:
            tree.rules.append(rule)
    inside = correlatable and node.map_type != "atomic"
    for name, child in node.properties.items():
        below = compile_tree(child, f"{path}.properties[{name}]", found, child.embedded, inside)
        if not below.empty:
            tree.properties[name] = below
    if node.additional is not None:
        where = f"{path}.additionalProperties"
        below = compile_tree(node.additional, where, found, node.additional.embedded, inside)
        tree.additional = None if below.empty else below
    if node.items is not None:
        keyed = correlatable and node.list_type == "map"
        below = compile_tree(node.items, f"{path}.items", found, node.items.embedded, keyed)
        tree.items = None if below.empty else below
    return tree


def compile_rule(
    raw: dict[str, Any],
    node: Node,
    path: str,
    found: list[FieldError],
    root: bool,
    correlatable: bool,
) -> Rule | None:
    """One rule, or None and a fault."""
    source = raw.get("rule", "")
    before = len(found)
    program = compiled(source, node, f"{path}.rule", found, root)
    message_program = None
    if text := raw.get("messageExpression"):
        message_program = compiled(text, node, f"{path}.messageExpression", found, root)
    uses_old = "oldSelf" in free_names(source)
    if uses_old and not correlatable:
        why = "oldSelf cannot be used on the uncorrelatable portion of the schema"
        found.append(invalid(f"{path}.rule", source, why))
    if len(found) > before:
        return None
    return Rule(
        source=source,
        program=program,
        message=str(raw.get("message", "")).strip(),
        message_program=message_program,
        reason=raw.get("reason") or "FieldValueInvalid",
        field_path=str(raw.get("fieldPath", "")).removeprefix("."),
        uses_old=uses_old,
        optional_old=bool(raw.get("optionalOldSelf")),
    )


def compiled(source: str, node: Node, path: str, found: list[FieldError], root: bool) -> Any:
    """A program, or None and a fault."""
    try:
        if not source.strip():
            raise SourceError("rule is not specified")
        text = rewritten(source)
        if unknown := free_names(source) - set(ROOTS):
            name = sorted(unknown)[0]
            raise SourceError(f"undeclared reference to '{name}' (in container '')")
        check_fields(source, node, root)
        return library().compile(text)
    except (SourceError, ValueError) as error:
        why = f"compilation failed: ERROR: <input>: {error}"
        found.append(invalid(path, source, why))
        return None


# ---------------------------------------------------------------- values


def to_cel(value: Any, node: Node | None) -> Any:
    """A value as CEL sees it through its schema."""
    if node is None or value is None:
        return value
    if type(value) is dict:
        if node.additional is not None and not node.properties:
            return {name: to_cel(inner, node.additional) for name, inner in value.items()}
        seen = {
            escape(name): to_cel(inner, node.properties[name])
            for name, inner in value.items()
            if name in node.properties
        }
        return seen | (resource_fields(value) if node.embedded else {})
    if type(value) is list:
        return [to_cel(inner, node.items) for inner in value]
    return scalar(value, node)


def resource_fields(value: dict[str, Any]) -> dict[str, Any]:
    """What a rule may see of a resource apart from its schema."""
    metadata = value.get("metadata") or {}
    visible = {n: metadata[n] for n in ("name", "generateName") if n in metadata}
    out = {name: value[name] for name in ("apiVersion", "kind") if name in value}
    return out | {"metadata": visible}


def scalar(value: Any, node: Node) -> Any:
    """Numbers, and strings with a format that CEL has a type for."""
    if node.int_or_string or type(value) is bool:
        return value
    if node.type == "number" and type(value) is int:
        return float(value)
    if node.type == "integer" and type(value) is float:
        return int(value)
    if node.type != "string":
        return value
    try:
        match node.keywords.get("format"):
            case "date-time":
                return datetime.fromisoformat(value)
            case "date":
                return datetime.fromisoformat(f"{value}T00:00:00+00:00")
            case "duration":
                return duration(value)
            case "byte":
                return value.encode()
    except ValueError:
        return value
    return value


def duration(text: str) -> timedelta:
    """Go's notation."""
    seconds = sum(float(n) * SECONDS[unit] for n, unit in GO_DURATION.findall(text))
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)


# ---------------------------------------------------------------- evaluating


def evaluate(tree: RuleTree, value: Any, path: str, old: Any = MISSING) -> list[FieldError]:
    """All rules on a value and below it."""
    if value is None:
        return []
    found = run_rules(tree, value, path, old) if tree.rules else []
    if type(value) is dict:
        before = old if type(old) is dict and tree.node.map_type != "atomic" else {}
        for name, inner in value.items():
            if below := tree.properties.get(name):
                found += evaluate(below, inner, under(path, name), before.get(name, MISSING))
            elif tree.additional is not None and name not in tree.node.properties:
                where = f"{path}[{name}]"
                found += evaluate(tree.additional, inner, where, before.get(name, MISSING))
    elif type(value) is list and tree.items is not None:
        was = correlated(value, tree.node, old)
        for index, inner in enumerate(value):
            found += evaluate(tree.items, inner, f"{path}[{index}]", was[index])
    return found


def run_rules(tree: RuleTree, value: Any, path: str, old: Any) -> list[FieldError]:
    """The rules of one level."""
    cel = library()
    comparable = old is not MISSING and old is not None
    unchanged = comparable and same(value, old)
    seen = to_cel(value, tree.node)
    seen_old = to_cel(old, tree.node) if comparable else None
    found = []
    for rule in tree.rules:
        if rule.uses_old and not comparable and not rule.optional_old:
            continue
        variables = {"self": seen}
        if rule.optional_old:
            some = cel.OptionalValue.of(seen_old) if comparable else cel.OptionalValue.none()
            variables["oldSelf"] = some
        elif comparable:
            variables["oldSelf"] = seen_old
        context = cel.Context(variables, registered())
        fault = run_rule(rule, context, tree.node, value, path)
        if fault is not None and (rule.uses_old or not unchanged):
            found.append(fault)
    return found


def run_rule(rule: Rule, context: Any, node: Node, value: Any, path: str) -> FieldError | None:
    """One rule."""
    try:
        result = rule.program.execute(context)
    except Exception as error:
        why = f"{error_text(error)} evaluating rule: {rule.message or rule.source}"
        return invalid(path or "<nil>", node.type, why)
    if result is True:
        return None
    where = under(path, rule.field_path) if rule.field_path else path
    compound = node.type in ("object", "array")
    text = message_of(rule, context)
    return FieldError(
        rule.reason, where or "<nil>", None if compound else value, text, omit_value=compound
    )


def error_text(error: Exception) -> str:
    """A failure in the words of cel-go where they are known."""
    if isinstance(error, KeyError):
        return f"no such key: {error.args[0]}"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    return str(error).splitlines()[0]


def message_of(rule: Rule, context: Any) -> str:
    """The message expression when it gives one, else the message, else the rule."""
    if rule.message_program is not None:
        try:
            text = rule.message_program.execute(context)
        except Exception:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text[:MESSAGE_LIMIT]
    return rule.message or f"failed rule: {rule.source.strip()}"
