"""Label and field selectors: the query strings that narrow lists and watches, and their matching.

``parse_labels`` is apimachinery's grammar, down to which strings it refuses with 400. A
``Selection`` puts both kinds together and knows whether it selects everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN = re.compile(r"\s*(==|!=|[(),=!<>]|[^\s(),=!<>]+)")
NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
OPERATORS = {"=", "==", "!=", "<", ">", "in", "notin"}
SYMBOLS = {"(", ")", ",", "=", "==", "!=", "<", ">", "!"}
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
QUALIFIED_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def label_value_fault(value: str) -> str | None:
    """Why a string cannot be a label's value."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    return None if not value or NAME.fullmatch(value) else LABEL_VALUE_RULE


def qualified_name_fault(key: str) -> str | None:
    """Why a string cannot be a label's or annotation's key."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and ("/" in prefix or not DNS_SUBDOMAIN.fullmatch(prefix) or len(prefix) > 253):
        return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return None if NAME.fullmatch(name) else QUALIFIED_NAME_RULE


@dataclass(frozen=True)
class Requirement:
    """``key operator values``; the operators are in, notin, exists, !, gt and lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels fulfils it."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


LabelSelector = tuple[Requirement, ...]


def matches_labels(selector: LabelSelector, labels: Mapping[str, str] | None) -> bool:
    """Whether all requirements hold."""
    labels = labels or {}
    return all(requirement.matches(labels) for requirement in selector)


# ---------------------------------------------------------------- the query string


def parse_labels(text: str) -> LabelSelector:
    """``a=b,c in (d,e),!f``; 400 on anything else."""
    return tuple(_LabelParser(text).parse())


class _LabelParser:
    """A cursor over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text) if text.strip() else []
        self._at = 0

    def parse(self) -> list[Requirement]:
        """All requirements."""
        out: list[Requirement] = []
        while True:
            token = self._peek()
            if token == "" and not out:
                return out
            if token in SYMBOLS and token != "!":
                raise bad_request(f"found '{token}', expected: !, identifier, or 'end of string'")
            out.append(self._requirement())
            token = self._next()
            if token == "":
                return out
            if token != ",":
                raise bad_request(f"found '{token}', expected: ',' or 'end of string'")
            after = self._peek()
            if after != "!" and (after == "" or after in SYMBOLS):
                raise bad_request(f"found '{after}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._next()
        key = self._next()
        if key == "" or key in SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{key}', expected: identifier")
        if fault := qualified_name_fault(key):
            raise bad_request(
                f'unable to parse requirement: <nil>: Invalid value: "{key}": {fault}'
            )
        if negated:
            return Requirement(key, "!")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        return self._with_operator(key)

    def _with_operator(self, key: str) -> Requirement:
        operator = self._next()
        if operator not in OPERATORS:
            expected = "in, notin, =, ==, !=, gt, lt"
            raise bad_request(
                f"unable to parse requirement: found '{operator}', expected: {expected}"
            )
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._checked(key, self._value_list()))
        values = self._checked(key, [self._exact_value()])
        if operator in ("<", ">"):
            if not re.fullmatch(r"[+-]?[0-9]+", next(iter(values))):
                text = f'values[0]: Invalid value: "{next(iter(values))}"'
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise bad_request(f"unable to parse requirement: {text}: {why}")
            return Requirement(key, "gt" if operator == ">" else "lt", values)
        return Requirement(key, "notin" if operator == "!=" else "in", values)

    def _exact_value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._next()
        if value in SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{value}', expected: identifier")
        return value

    def _value_list(self) -> list[str]:
        opening = self._next()
        if opening != "(":
            raise bad_request(f"unable to parse requirement: found '{opening}' expected: '('")
        values: list[str] = []
        wants_value = True
        while True:
            token = self._next()
            if token == ")":
                return [*values, ""] if wants_value else values
            if token == ",":
                if wants_value:
                    values.append("")
                wants_value = True
            elif token in SYMBOLS or token == "" or not wants_value:
                raise bad_request(
                    f"unable to parse requirement: found '{token}', expected: ',' or ')'"
                )
            else:
                values.append(token)
                wants_value = False

    def _checked(self, key: str, values: list[str]) -> frozenset[str]:
        for index, value in enumerate(values):
            if fault := label_value_fault(value):
                where = f'values[{index}][{key}]: Invalid value: "{value}"'
                raise bad_request(f"unable to parse requirement: {where}: {fault}")
        return frozenset(values)


# ---------------------------------------------------------------- LabelSelector objects


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """``{matchLabels, matchExpressions}`` as webhooks and workloads carry it."""
    selector = selector or {}
    out = [
        Requirement(key, "in", frozenset([value]))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    for expression in selector.get("matchExpressions") or []:
        values = frozenset(expression.get("values") or [])
        out.append(Requirement(expression["key"], operators[expression["operator"]], values))
    return tuple(out)


# ---------------------------------------------------------------- field selectors


@dataclass(frozen=True)
class FieldTerm:
    """``field=value`` or ``field!=value``."""

    field: str
    value: str
    equal: bool


def parse_fields(text: str, supported: Callable[[str], str | None]) -> tuple[FieldTerm, ...]:
    """``a=b,c!=d``; ``supported`` says why a field is refused, or nothing."""
    out = []
    for part in split_terms(text):
        term = parse_term(part)
        if fault := supported(term.field):
            raise bad_request(fault)
        out.append(term)
    return tuple(out)


def split_terms(text: str) -> list[str]:
    """Terms between commas that no backslash protects; empty ones do not count."""
    return [part for part in re.split(r"(?<!\\),", text) if part]


def parse_term(part: str) -> FieldTerm:
    """One term; the first operator splits it."""
    found = re.search(r"(?<!\\)(!=|==|=)", part)
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    raw = part[found.end() :]
    if re.search(r"(?<!\\)=", raw):
        raise bad_request("invalid field selector: unescaped character in value: 61")
    value = re.sub(r"\\([\\,=])", r"\1", raw)
    return FieldTerm(part[: found.start()], value, found.group() != "!=")


@dataclass(frozen=True)
class Selection:
    """What a list or watch asked for; ``read`` gets a field of an object as a string."""

    labels: LabelSelector = ()
    fields: tuple[FieldTerm, ...] = ()
    read: Callable[[Mapping[str, Any], str], str] | None = None

    @property
    def everything(self) -> bool:
        """No requirement at all."""
        return not self.labels and not self.fields

    @property
    def single_name(self) -> str | None:
        """The one name that can match, when the selection says so."""
        for term in self.fields:
            if term.field == "metadata.name" and term.equal:
                return term.value
        return None

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Whether an object is selected."""
        if self.labels and not matches_labels(self.labels, obj["metadata"].get("labels")):
            return False
        for term in self.fields:
            assert self.read is not None
            if (self.read(obj, term.field) == term.value) is not term.equal:
                return False
        return True
