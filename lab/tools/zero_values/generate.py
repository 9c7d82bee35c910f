"""Reads from Kubernetes' Go types what encoding/json does with zero values, and writes a table.

The published OpenAPI does not tell a Go value from a pointer, so it does not say whether ``false``,
``""`` or ``0`` survive a round trip (pointers), vanish (``omitempty``), or appear although nobody
wrote them (no ``omitempty``, and all structs). This reads the ``types.go`` files in the module
cache, as they were fetched for the build of ``lab/tools/kubernetes``, and prints the table::

    python lab/tools/zero_values/generate.py > lab/src/metallb_lab/apiserver/zero_values.json

For each definition: ``drop`` has the fields that vanish when they are zero, ``keep`` those that
appear, with their zero value ("{}" stands for a struct). Lists and maps without ``omitempty`` are
left out: Go writes ``null`` for them, which the strategies of the few kinds that have one do.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from metallb_lab.apiserver.kinds import builtin_resources
from metallb_lab.apiserver.kinds.service_allocation import ServiceAllocation
from metallb_lab.apiserver.openapi_types import definition_names, definitions
from metallb_lab.apiserver.server import NODE_PORTS, SERVICE_CIDRS

SOURCES = Path(__file__).parents[1] / "kubernetes"
SCALARS: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0}
OWN_FORM: dict[str, Any] = {
    "Time": None, "MicroTime": None, "RawExtension": None, "FieldsV1": None,
    "Quantity": "0", "IntOrString": 0, "Duration": "0s",
}  # fmt: skip
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
ALIAS = re.compile(r"^type (\w+) (?!struct|interface)(\S+)$", re.M)
FIELD = re.compile(r'^\t(?:(\w+)\s+)?(\S+)\s+`[^`]*json:"([^"]*)"', re.M)


def module(name: str) -> Path:
    """Where a module is in the cache."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", name]
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def package_of(definition: str) -> Path:
    """``io.k8s.api.core.v1.Service`` -> the directory of its Go package."""
    path = definition.removeprefix("io.k8s.").rpartition(".")[0]
    for prefix, name in (("api.", "k8s.io/api"), ("apimachinery.", "k8s.io/apimachinery")):
        if path.startswith(prefix):
            return module(name) / path.removeprefix(prefix).replace(".", "/")
    raise SystemExit(f"no package known for {definition}")


class Package:
    """The structs and named types of one Go package."""

    def __init__(self, directory: Path) -> None:
        text = "\n".join(p.read_text() for p in sorted(directory.glob("*types.go")))
        self.structs = dict(STRUCT.findall(text))
        self.aliases = dict(ALIAS.findall(text))

    def fields(self, struct: str) -> list[tuple[str, str, list[str]]]:
        """(JSON name, Go type, options) with inlined structs opened."""
        out = []
        for _, kind, tag in FIELD.findall(self.structs[struct]):
            name, *options = tag.split(",")
            if "inline" in options:
                inner = kind.rpartition(".")[2]
                out += self.fields(inner) if inner in self.structs else []
            elif name not in ("", "-"):
                out.append((name, kind, options))
        return out

    def resolved(self, kind: str, core: Package) -> str:
        """A named type's own type; named types of other packages are those of ``core/v1``."""
        if kind == "types.UID":
            return "string"
        if kind.startswith(("*", "[", "map[")):
            return kind
        owner, name = (core, kind.rpartition(".")[2]) if "." in kind else (self, kind)
        while name in owner.aliases:
            name = kind = owner.aliases[name]
        return kind


def row(package: Package, struct: str, core: Package) -> dict[str, Any]:
    """What one struct drops and keeps."""
    drop, keep = [], {}
    for name, written, options in package.fields(struct):
        kind = package.resolved(written, core)
        bare = kind.rpartition(".")[2]
        if kind.startswith("*") or "omitzero" in options:
            continue
        omits = "omitempty" in options
        if kind.startswith(("[]", "map[")) or bare == "ResourceList":
            if omits:
                drop.append(name)
        elif bare in OWN_FORM:
            keep[name] = OWN_FORM[bare]
        elif kind in SCALARS:
            if omits:
                drop.append(name)
            else:
                keep[name] = SCALARS[kind]
        else:
            keep[name] = "{}"
    return {"drop": sorted(drop), "keep": dict(sorted(keep.items()))}


def reachable(roots: list[str]) -> list[str]:
    """All definitions with properties that some kinds consist of."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found or name.rpartition(".")[2] in OWN_FORM:
            continue
        found.add(name)
        text = json.dumps(definitions()[name])
        todo += re.findall(r'"#/\$defs/([^"]+)"', text)
    return sorted(name for name in found if "properties" in definitions()[name])


def check(definition: str, keep: dict[str, Any]) -> None:
    """What is taken for a struct must be published as one."""
    for name, zero in keep.items():
        if zero == "{}" and "$ref" not in definitions()[definition]["properties"].get(name, {}):
            raise SystemExit(f"{definition}.{name} is no struct")


def main() -> None:
    """Prints the table."""
    served = builtin_resources(ServiceAllocation(SERVICE_CIDRS, NODE_PORTS))
    names = definition_names()
    roots = [names[(r.gv.group, r.gv.version, r.kind)] for r in served]
    core = Package(package_of("io.k8s.api.core.v1.Service"))
    packages: dict[Path, Package] = {}
    table = {}
    for name in reachable(roots):
        directory = package_of(name)
        package = packages.setdefault(directory, Package(directory))
        struct = name.rpartition(".")[2]
        if struct not in package.structs:
            raise SystemExit(f"no struct {struct} in {directory}")
        table[name] = row(package, struct, core)
        check(name, table[name]["keep"])
    lines = [f"{json.dumps(n)}: {json.dumps(r, separators=(',', ':'))}" for n, r in table.items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
