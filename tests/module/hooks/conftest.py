"""Hooks run as the operator runs them: as processes, with its files."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab import tools
from metallb_lab.operator.hook_files import (
    hook_paths,
    interpreter_for,
    register,
)
from metallb_lab.operator.hook_runs import Inputs, Outputs, run_hook
from metallb_lab.operator.jq import Jq

if TYPE_CHECKING:
    from metallb_lab.operator.hook_files import Hook, Interpreter

ROOT = Path(__file__).parents[3]
NAMES = [path.stem for path in hook_paths(ROOT)]


@dataclass
class Run:
    """One run of one hook."""

    hook: Hook
    interpreter: Interpreter
    values: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, contexts: list[dict[str, Any]]) -> Outputs:
        values = {"global": self.shared, "metallb": {"internal": {}, **self.values}}
        config_values = {"global": {}, "metallb": self.settings}
        return await run_hook(self.hook, self.interpreter, Inputs(contexts, values, config_values))

    async def on(self, moment: str = "beforeHelm", **objects: list[Any]) -> Outputs:
        """Run on objects of the cluster, put through the hook's own filters."""
        return await self([await self.context(moment, **objects)])

    async def context(self, moment: str, **objects: list[Any]) -> dict[str, Any]:
        """Make one context; `Group` stands for an event of any binding, or a schedule."""
        snapshots = await self.snapshots(**objects)
        if moment == "Group":
            name = "snapshots"
            return {"binding": name, "type": "Group", "groupName": name, "snapshots": snapshots}
        return {"binding": moment, "snapshots": snapshots}

    async def snapshots(self, **objects: list[Any]) -> dict[str, list[Any]]:
        """Filter objects as the operator does; underscores in names stand for dashes."""
        given = {name.replace("_", "-"): found for name, found in objects.items()}
        bindings = {binding.name: binding for binding in self.hook.config.kubernetes}
        assert given.keys() <= bindings.keys()
        jq = Jq(tools.find("gojq"))
        return {
            name: [
                {"filterResult": result}
                for result in await jq.filter(binding.jq, given.get(name, []))
            ]
            for name, binding in bindings.items()
        }


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    search = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return interpreter_for(ROOT, tmp_path, {"PATH": search})


@pytest.fixture
async def hook(request: pytest.FixtureRequest, interpreter: Interpreter) -> Run:
    """The hook that the test's module or parameter names."""
    name = getattr(request, "param", None) or request.module.HOOK
    path = ROOT / "hooks" / f"{name}.py"
    return Run(await register(path, ROOT, interpreter), interpreter)


def object_of(
    api_version: str, kind: str, name: str, namespace: str = "", **more: Any
) -> dict[str, Any]:
    """Make an object as the API server gives it."""
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1}
    meta |= more.pop("metadata", {})
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **more}


def ours(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """Make an object of the module's own kinds."""
    return object_of("network.deckhouse.io/v1alpha1", kind, name, spec=spec)
