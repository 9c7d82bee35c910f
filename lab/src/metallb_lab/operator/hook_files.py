"""Which files of a module are hooks, and how one is started (deckhouse-platform.md §2.1, §2.2).

Every executable file below `hooks/` is a hook, but for directories `lib`, `venv` and hidden ones,
hidden files and files that are data by their name. A Python hook is run by
`hooks/venv/bin/python3`, with `PYTHONHOME` set to the venv, if that is there; otherwise by its own
first line. The working directory is the operator's, never the hook's.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_lab.operator.errors import HookError, ModuleError
from metallb_lab.operator.hook_config import read_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metallb_lab.operator.hook_config import HookConfig

SKIPPED_DIRECTORIES = ("lib", "venv")
DATA_SUFFIXES = (".yaml", ".json", ".md", ".txt")
CONFIG_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How hooks of one module are started."""

    directory: Path
    """The operator's working directory."""
    environment: Mapping[str, str]
    venv: Path | None

    def command(self, path: Path) -> list[str]:
        """Give the words that start a hook."""
        if path.suffix == ".py" and self.venv is not None:
            return [str(self.venv / "bin" / "python3"), str(path)]
        return [str(path)]

    def environment_of(self, path: Path, more: Mapping[str, str]) -> dict[str, str]:
        """Give a hook's environment: the operator's own, and the files."""
        home = {}
        if path.suffix == ".py" and self.venv is not None:
            home["PYTHONHOME"] = str(self.venv)
        return {**self.environment, **home, **more}


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook that is registered; `name` is as the operator's log and metrics have it."""

    name: str
    path: Path
    config: HookConfig


def interpreter_for(module: Path, directory: Path, environment: Mapping[str, str]) -> Interpreter:
    """Find out how the hooks of a module are started."""
    venv = module / "hooks" / "venv"
    found = os.access(venv / "bin" / "python3", os.X_OK)
    return Interpreter(directory, environment, venv if found else None)


def hook_paths(module: Path) -> list[Path]:
    """Find the hooks of a module, in the order of their names."""
    root = module / "hooks"
    found = [path for path in root.rglob("*") if path.is_file() and _is_hook(path, root)]
    for path in found:
        if not path.suffix:
            raise ModuleError(f"{path}: a file without a suffix would be probed as a batch hook")
    return sorted(found)


def _is_hook(path: Path, root: Path) -> bool:
    *directories, name = path.relative_to(root).parts
    if any(part in SKIPPED_DIRECTORIES or part.startswith(".") for part in directories):
        return False
    is_data = name.startswith(".") or path.suffix in DATA_SUFFIXES
    return not is_data and os.access(path, os.X_OK)


async def register(path: Path, module: Path, interpreter: Interpreter) -> Hook:
    """Ask a hook for its configuration; raises HookError."""
    name = str(path.relative_to(module.parent))
    code, out, error = await run_process(
        [*interpreter.command(path), "--config"],
        interpreter.directory,
        interpreter.environment_of(path, {}),
        CONFIG_SECONDS,
    )
    if code != 0:
        raise HookError(f"{name} --config: exit status {code}\n{error}")
    try:
        return Hook(name, path, read_config(out))
    except HookError as refusal:
        raise HookError(f"{name}: {refusal}") from refusal


async def run_process(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], limit_seconds: float
) -> tuple[int, str, str]:
    """Run a process to its end; gives exit code, standard output and error."""
    try:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *command,
            cwd=directory,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise HookError(f"{command[0]}: {error}") from error
    try:
        async with asyncio.timeout(limit_seconds):
            out, error_text = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    code = process.returncode
    return (
        (-1 if code is None else code),
        out.decode(errors="replace"),
        error_text.decode(errors="replace"),
    )
