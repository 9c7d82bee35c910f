"""Tiny modules for tests, written to a directory: only what matters is given."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_VALUES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer", "default": 1, "maximum": 5},
        "mood": {"type": "string", "default": "calm"},
    },
}
VALUES: dict[str, Any] = {
    "x-extend": {"schema": "config-values.yaml"},
    "type": "object",
    "properties": {
        "internal": {
            "type": "object",
            "default": {},
            "properties": {
                "names": {"type": "array", "default": [], "items": {"type": "string"}},
                "count": {"type": "integer", "default": 0},
                "needed": {"type": "string"},
            },
        }
    },
}
PROLOGUE = """\
#!/usr/bin/env python3
import json, os, sys
CONFIG = {config}
if sys.argv[1:] == ["--config"]:
    print(json.dumps(CONFIG))
    sys.exit()
def read(name):
    with open(os.environ[name]) as file:
        return json.load(file)
def write(name, *documents):
    with open(os.environ[name], "a") as file:
        for document in documents:
            file.write(json.dumps(document) + chr(10))
contexts = read("BINDING_CONTEXT_PATH")
"""


class ModuleTree:
    """A module that is being written; the directory is `path`."""

    def __init__(self, path: Path, name: str = "hello-world") -> None:
        self.path = path / name
        self.write("module.yaml", {"name": name})
        self.write("openapi/config-values.yaml", CONFIG_VALUES)
        self.write("openapi/values.yaml", VALUES)

    def write(self, name: str, content: Any) -> Path:
        """Write a file; what is no text is written as YAML."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def hook(self, name: str, config: dict[str, Any], body: str = "") -> Path:
        """Write a hook; its body has `contexts`, `read` and `write`."""
        text = PROLOGUE.format(config=json.loads(json.dumps(config))) + textwrap.dedent(body)
        path = self.write(f"hooks/{name}", text)
        path.chmod(0o755)
        return path

    def chart(self, template: str, name: str = "objects.yaml") -> None:
        """Make it a chart with one template."""
        chart = {"apiVersion": "v2", "name": self.path.name, "version": "0.0.1"}
        self.write("Chart.yaml", chart)
        self.write(".helmignore", "hooks\nopenapi\ncrds\nmodule.yaml\n")
        self.write(f"templates/{name}", textwrap.dedent(template))
