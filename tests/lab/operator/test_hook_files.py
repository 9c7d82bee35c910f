from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from metallb_lab.operator.errors import HookError, ModuleError
from metallb_lab.operator.hook_files import hook_paths, interpreter_for, register, run_process

if TYPE_CHECKING:
    from pathlib import Path

    from lab.operator.modules import ModuleTree
    from metallb_lab.operator.hook_files import Interpreter

CONFIG = {"configVersion": "v1", "beforeHelm": 10}


@pytest.fixture
def interpreter(tree: ModuleTree, tmp_path: Path) -> Interpreter:
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return interpreter_for(tree.path, tmp_path, {"PATH": path, "LOG_LEVEL": "info"})


def test_every_executable_file_is_a_hook(tree: ModuleTree) -> None:
    hooks = [tree.hook(name, CONFIG) for name in ("b.py", "sub/a.py", "c.sh")]
    for name in (
        "lib/x.py", "venv/bin/python3", ".hidden/x.py", ".hidden.py", "sub/lib/y.py",
        "data.yaml", "data.json", "README.md", "notes.txt",
    ):  # fmt: skip
        tree.hook(name, CONFIG)
    tree.write("hooks/not_executable.py", "import nothing\n")
    assert hook_paths(tree.path) == sorted(hooks)


def test_a_module_without_hooks_has_none(tree: ModuleTree) -> None:
    assert hook_paths(tree.path) == []


def test_a_file_without_a_suffix_would_be_a_batch_hook(tree: ModuleTree) -> None:
    tree.hook("batch", CONFIG)
    with pytest.raises(ModuleError, match="batch hook"):
        hook_paths(tree.path)


async def test_a_hook_is_asked_for_its_configuration(
    tree: ModuleTree, interpreter: Interpreter
) -> None:
    hook = await register(tree.hook("sub/a.py", CONFIG), tree.path, interpreter)
    assert hook.name == "hello-world/hooks/sub/a.py"
    assert hook.config.moments == {"beforeHelm": 10}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/usr/bin/env python3\nimport nothing_of_the_kind\n", "exit status 1"),
        ("#!/usr/bin/env python3\nprint('configVersion: v1')\n", "does not have enough"),
        ("#!/no/such/interpreter\n", "exit status 127"),
    ],
)
async def test_a_hook_that_cannot_be_registered(
    tree: ModuleTree, interpreter: Interpreter, text: str, message: str
) -> None:
    path = tree.write("hooks/a.py", text)
    path.chmod(0o755)
    with pytest.raises(HookError, match=message) as refusal:
        await register(path, tree.path, interpreter)
    assert "hello-world/hooks/a.py" in str(refusal.value)


def test_without_a_venv_the_first_line_decides(tree: ModuleTree, interpreter: Interpreter) -> None:
    path = tree.hook("a.py", CONFIG)
    assert interpreter.command(path) == [str(path)]
    assert "PYTHONHOME" not in interpreter.environment_of(path, {})


def test_a_venv_runs_python_hooks_under_its_own_home(tree: ModuleTree, tmp_path: Path) -> None:
    python = tree.write("hooks/venv/bin/python3", "#!/bin/sh\n")
    path, other = tree.hook("a.py", CONFIG), tree.hook("b.sh", CONFIG)
    found = interpreter_for(tree.path, tmp_path, {"PATH": "/bin"})
    assert found.command(path) == [str(path)], "the interpreter is not executable"
    python.chmod(0o755)
    found = interpreter_for(tree.path, tmp_path, {"PATH": "/bin"})
    assert found.command(path) == [str(python), str(path)]
    assert found.environment_of(path, {"X": "1"}) == {
        "PATH": "/bin",
        "PYTHONHOME": str(tree.path / "hooks" / "venv"),
        "X": "1",
    }
    assert found.command(other) == [str(other)]
    assert "PYTHONHOME" not in found.environment_of(other, {})


async def test_a_process_that_overstays_is_ended(tmp_path: Path) -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(TimeoutError):
        await run_process([sys.executable, "-c", script], tmp_path, {}, 0.5)
