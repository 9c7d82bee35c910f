"""``x-deckhouse-validations``: rules in CEL that go with a schema of a module.

A rule is ``{expression, message}`` over ``self`` and ``oldSelf`` (deckhouse-platform.md §1.4).
Rules are looked for through properties only, so none stands at the items of a list; a rule that
meets a missing key is skipped, and so is one about ``oldSelf`` without an old value. To CEL every
number is a double, for the operator hands it JSON: ``self.a * 2`` fails there, and it fails here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver.schema.cel import library
from metallb_lab.apiserver.schema.cel_functions import registered
from metallb_lab.apiserver.schema.cel_source import MACROS, free_names, rewritten, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Document = dict[str, Any]

RULES = "x-deckhouse-validations"
STANDARD_FUNCTIONS = frozenset({
    "size", "matches", "contains", "startsWith", "endsWith",
    "int", "uint", "double", "string", "bool", "duration", "timestamp", "type",
})  # fmt: skip


class SchemaError(Exception):
    """A schema file says something that the operator does not take, or that we do not know."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value.

    `path` leads to the value from the root of the module's values, `rule` to the words of the
    schema that it breaks: ``("properties", "logLevel", "enum")``.
    """

    path: tuple[str | int, ...]
    rule: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule, and the properties that lead to its object."""

    path: tuple[str, ...]
    index: int
    program: Any
    message: str
    uses_old: bool

    def faults(self, value: Any, old: Any) -> Iterator[Fault]:
        """What the rule says about a value, if its object is there."""
        here, before = within(value, self.path), within(old, self.path)
        if not isinstance(here, dict) or (self.uses_old and before is None):
            return
        variables = {"self": as_doubles(here), "oldSelf": as_doubles(before)}
        try:
            holds = self.program.execute(library().Context(variables, registered()))
        except KeyError:
            return
        except Exception as error:
            yield self._fault(f"{self.message}: {error}")
        else:
            if holds is not True:
                yield self._fault(self.message)

    def _fault(self, message: str) -> Fault:
        levels = tuple(word for name in self.path for word in ("properties", name))
        return Fault(self.path, (*levels, RULES, self.index), message)


def compiled_rules(schema: Document, path: tuple[str, ...] = ()) -> Iterator[Rule]:
    """Compile the rules of a schema and of the properties below."""
    for index, raw in enumerate(schema.get(RULES) or ()):
        if raw.keys() != {"expression", "message"}:
            raise SchemaError(f"{'.'.join(path)}.{RULES}[{index}]: wants expression and message")
        source = raw["expression"]
        uses_old = "oldSelf" in free_names(source)
        yield Rule(path, index, compiled(source), raw["message"], uses_old)
    for name, below in (schema.get("properties") or {}).items():
        yield from compiled_rules(below, (*path, name))


@cache
def compiled(source: str) -> Any:
    """Compile an expression; one that uses more than CEL's own functions is refused."""
    found = tokens(source)
    called = {a.text for a, b in pairwise(found) if b.text == "("}
    called = {name for name in called if name.isidentifier()}
    if unknown := called - STANDARD_FUNCTIONS - MACROS:
        raise SchemaError(f"{source}: undeclared reference to {', '.join(sorted(unknown))}")
    try:
        return library().compile(rewritten(source))
    except ValueError as error:
        raise SchemaError(f"{source}: {error}") from error


def within(value: Any, path: Iterable[str]) -> Any:
    """The value that some properties lead to, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def as_doubles(value: Any) -> Any:
    """A value as it comes out of JSON in Go."""
    if isinstance(value, dict):
        return {name: as_doubles(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_doubles(inner) for inner in value]
    return float(value) if type(value) is int else value
