from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.operator.errors import PatchRefusedError
from metallb_lab.operator.hook_config import read_config
from metallb_lab.operator.hook_files import Hook, interpreter_for
from metallb_lab.operator.hook_runs import (
    FailedRunError,
    Inputs,
    Outputs,
    read_operations,
    read_stream,
    run_hook,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lab.operator.modules import ModuleTree

CONFIG: dict[str, Any] = {"configVersion": "v1", "onStartup": 1}


async def _run(tree: ModuleTree, body: str, inputs: Inputs | None = None) -> Outputs:
    path = tree.hook("a.py", CONFIG, body)
    search = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    directory = tree.path.parent
    interpreter = interpreter_for(tree.path, directory, {"PATH": search, "LOG_LEVEL": "debug"})
    hook = Hook("m/hooks/a.py", path, read_config(json.dumps(CONFIG)))
    return await run_hook(hook, interpreter, inputs or Inputs([], {}, {}))


async def test_files_in_and_files_out(tree: ModuleTree) -> None:
    inputs = Inputs([{"binding": "onStartup"}], {"global": {}, "m": {"a": 1}}, {"m": {}})
    outputs = await _run(
        tree,
        """
        seen = [contexts, read("VALUES_PATH"), read("CONFIG_VALUES_PATH")]
        write("VALUES_JSON_PATCH_PATH", {"op": "add", "path": "/m/seen", "value": seen})
        write("VALUES_JSON_PATCH_PATH", [{"op": "remove", "path": "/m/a"}])
        write("CONFIG_VALUES_JSON_PATCH_PATH", {"op": "add", "path": "/m/b", "value": 1})
        write("METRICS_PATH", {"name": "x", "set": 1}, {"name": "y", "set": 2})
        write("KUBERNETES_PATCH_PATH", {"operation": "Delete", "kind": "Pod", "name": "p"})
        """,
        inputs,
    )
    assert outputs.values_patch == [
        {
            "op": "add",
            "path": "/m/seen",
            "value": [inputs.contexts, inputs.values, inputs.config_values],
        },
        {"op": "remove", "path": "/m/a"},
    ]
    assert outputs.config_values_patch == [{"op": "add", "path": "/m/b", "value": 1}]
    assert [item["name"] for item in outputs.metrics] == ["x", "y"]
    assert outputs.kubernetes == [{"operation": "Delete", "kind": "Pod", "name": "p"}]


async def test_a_hook_that_says_nothing_wants_nothing(tree: ModuleTree) -> None:
    assert await _run(tree, "") == Outputs()


async def test_the_environment_and_directory_are_the_operators(tree: ModuleTree) -> None:
    outputs = await _run(
        tree,
        """
        names = [name for name in os.environ if name.endswith("_PATH")]
        write("METRICS_PATH", {"name": os.getcwd(), "set": 1, "level": os.environ["LOG_LEVEL"],
                               "files": sorted(names)})
        """,
    )
    [seen] = outputs.metrics
    assert seen["name"] == str(tree.path.parent)
    assert seen["level"] == "debug"
    assert seen["files"] == [
        "BINDING_CONTEXT_PATH",
        "CONFIG_VALUES_JSON_PATCH_PATH",
        "CONFIG_VALUES_PATH",
        "KUBERNETES_PATCH_PATH",
        "METRICS_PATH",
        "VALUES_JSON_PATCH_PATH",
        "VALUES_PATH",
    ]


async def test_files_are_gone_after_the_run(tree: ModuleTree) -> None:
    before = set(tree.path.parent.iterdir())
    await _run(tree, "")
    assert set(tree.path.parent.iterdir()) == before


async def test_a_failed_run_leaves_only_the_status_that_asks_for_it(tree: ModuleTree) -> None:
    with pytest.raises(FailedRunError, match="exit status 3") as failure:
        await _run(
            tree,
            """
            patch = {"operation": "MergePatch", "kind": "Pod", "name": "p", "mergePatch": {"a": 1}}
            write("KUBERNETES_PATCH_PATH", patch, patch | {"subresource": "status"},
                  patch | {"ignoreHookError": True},
                  patch | {"ignoreHookError": True, "subresource": "/status"})
            write("VALUES_JSON_PATCH_PATH", {"op": "remove", "path": "/m/a"})
            print("this is why", file=sys.stderr)
            sys.exit(3)
            """,
        )
    assert "this is why" in str(failure.value)
    outputs = failure.value.outputs
    assert [item["subresource"] for item in outputs.kubernetes] == ["/status"]
    assert outputs.values_patch == []


async def test_what_a_failed_run_wrote_may_be_unreadable(tree: ModuleTree) -> None:
    body = 'open(os.environ["KUBERNETES_PATCH_PATH"], "w").write("{: :")\nsys.exit(1)\n'
    with pytest.raises(FailedRunError) as failure:
        await _run(tree, body)
    assert failure.value.outputs.kubernetes == []


async def test_every_line_is_logged_at_its_level(
    tree: ModuleTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await _run(
        tree,
        """
        print("plain")
        print(json.dumps({"level": "error", "msg": "bad"}))
        print(json.dumps({"level": "debug", "msg": "fine"}), file=sys.stderr)
        print("7")
        """,
    )
    lines = [(item.levelno, item.getMessage()) for item in caplog.records]
    assert (logging.INFO, "m/hooks/a.py: plain") in lines
    assert [level for level, text in lines if "bad" in text] == [logging.ERROR]
    assert [level for level, text in lines if "fine" in text] == [logging.DEBUG]


def test_streams_of_documents(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_text(' {"a": 1}\n\n[2]{"b":\n3}')
    assert read_stream(path) == [{"a": 1}, [2], {"b": 3}]
    path.write_text("")
    assert read_stream(path) == []
    path.write_text('{"a": 1} x')
    with pytest.raises(PatchRefusedError, match="stream"):
        read_stream(path)


def test_operations_may_be_yaml(tmp_path: Path) -> None:
    path = tmp_path / "operations"
    path.write_text("operation: Delete\nname: a\n---\noperation: Delete\nname: b\n")
    assert [item["name"] for item in read_operations(path)] == ["a", "b"]
    path.write_text("{: :")
    with pytest.raises(PatchRefusedError, match="neither JSON nor YAML"):
        read_operations(path)
    path.write_text("[1]")
    with pytest.raises(PatchRefusedError, match="an object is wanted"):
        read_operations(path)
