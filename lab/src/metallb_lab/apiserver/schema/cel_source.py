"""Reads CEL sources far enough to refuse what the evaluator would get wrong.

Three checks, on tokens: every function called is one that we have (others make the CRD be
refused, as the real server refuses undeclared ones), every free name is ``self`` or ``oldSelf``,
and every chain of fields from those follows the schema. Calls of our own functions are renamed on
the way. What only a type checker finds (``1 + "a"``, a rule that is not boolean, cost) shows when
the rule is evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab.apiserver.schema.cel_functions import FUNCTIONS, METHODS_ONLY, PREFIX

if TYPE_CHECKING:
    from metallb_lab.apiserver.schema.structural import Node

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>(?:\d+\.\d+(?:[eE][+-]?\d+)?|0x[0-9a-fA-F]+|\d+)u?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>&&|\|\||[=!<>]=|.)""",
    re.X,
)
MACROS = frozenset({"has", "all", "exists", "exists_one", "map", "filter"})
BINDING_MACROS = MACROS - {"has"}
NATIVE = frozenset({
    "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes",
    "dyn", "type", "duration", "timestamp", "hasValue", "value", "orValue",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
CONSTANTS = frozenset({
    "true", "false", "null", "in", "int", "uint", "double", "string", "bytes", "bool", "list",
    "map", "null_type", "type", "optional",
})  # fmt: skip
RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
ROOTS = ("self", "oldSelf")
NAMESPACES = frozenset({"ip", "cel", "math", "optional", "sets", "format"})


class SourceError(Exception):
    """Why a rule cannot be compiled."""


@dataclass(frozen=True)
class Token:
    """A piece of source."""

    kind: str
    text: str


def tokens(source: str) -> list[Token]:
    """Without spaces and comments."""
    out = []
    for match in TOKEN.finditer(source):
        kind = str(match.lastgroup)
        if kind != "space":
            out.append(Token(kind, match.group()))
    return out


def escape(name: str) -> str:
    """A property as CEL spells it; names that cannot be spelled are out of its reach."""
    if name in RESERVED:
        return f"__{name}__"
    spelled = name.replace("__", "__underscores__")
    for character, word in ((".", "dot"), ("-", "dash"), ("/", "slash")):
        spelled = spelled.replace(character, f"__{word}__")
    return spelled


# ---------------------------------------------------------------- calls and names


def rewritten(source: str) -> str:
    """The source with our functions' calls renamed; ``SourceError`` for any that we lack."""
    found = tokens(source)
    out: list[str] = []
    index = 0
    while index < len(found):
        token = found[index]
        call = index + 1 < len(found) and found[index + 1].text == "("
        if token.kind == "name" and token.text in NAMESPACES and is_namespaced(found, index):
            name = f"{token.text}.{found[index + 2].text}"
            out.append(ours(name, method=True))
            index += 3
            continue
        if token.kind == "name" and call and token.text not in MACROS | NATIVE:
            method = index > 0 and found[index - 1].text == "."
            out.append(ours(token.text, method))
        else:
            out.append(token.text)
        index += 1
    return " ".join(out)


def is_namespaced(found: list[Token], index: int) -> bool:
    """``ip.isCanonical(`` at the start of an expression."""
    after = [t.text for t in found[index + 1 : index + 4]]
    before = found[index - 1].text if index else ""
    return before != "." and len(after) == 3 and after[0] == "." and after[2] == "("


def ours(name: str, method: bool) -> str:
    """The registered name of one of our functions."""
    if name not in FUNCTIONS or (name in METHODS_ONLY and not method):
        raise SourceError(f"undeclared reference to '{name}' (in container '')")
    return PREFIX + name.replace(".", "_")


def free_names(source: str) -> set[str]:
    """Names that nothing in the source binds."""
    found = tokens(source)
    bound = {
        found[i + 2].text
        for i in range(len(found) - 3)
        if found[i].text in BINDING_MACROS
        and found[i + 1].text == "("
        and found[i + 2].kind == "name"
        and found[i + 3].text == ","
    }
    free = set()
    for index, token in enumerate(found):
        before = found[index - 1].text if index else ""
        after = found[index + 1].text if index + 1 < len(found) else ""
        if token.kind != "name" or before == "." or after == "(" or token.text in CONSTANTS:
            continue
        if token.text in NAMESPACES and is_namespaced(found, index):
            continue
        free.add(token.text)
    return free - bound


# ---------------------------------------------------------------- fields


def check_fields(source: str, node: Node, root: bool) -> None:
    """Follows ``self.a.b`` and ``oldSelf.a.b`` through the schema."""
    found = tokens(source)
    for index, token in enumerate(found):
        before = found[index - 1].text if index else ""
        if token.text in ROOTS and before != ".":
            follow(found, index + 1, node, root)


def follow(found: list[Token], index: int, node: Node | None, root: bool) -> None:
    """One chain, until a call, an index or a type whose fields are not declared."""
    while node is not None and index + 1 < len(found) and found[index].text == ".":
        name = found[index + 1].text
        after = found[index + 2].text if index + 2 < len(found) else ""
        if after == "(" or found[index + 1].kind != "name":
            return
        if node.additional is not None or node.int_or_string or node.type not in ("object", ""):
            return
        if root and name in ("apiVersion", "kind", "metadata"):
            return
        inner = {escape(n): child for n, child in node.properties.items()}.get(name)
        if inner is None:
            raise SourceError(f"undefined field '{name}'")
        node, index, root = inner, index + 2, inner.embedded
