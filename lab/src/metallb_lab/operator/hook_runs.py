"""One run of a hook: files in, a process, files out (deckhouse-platform.md §2.6, §2.7, §2.10).

Files are temporary and gone after the run. An exit code other than 0 is a failure, and what the
hook wrote on standard error is its text; of its output files only patches of the status that ask
for it are then taken. Every line that it prints goes to the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metallb_lab.operator.errors import HookError, PatchRefusedError
from metallb_lab.operator.hook_files import run_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.operator.hook_files import Hook, Interpreter

Document = dict[str, Any]

LIMIT_SECONDS = 120.0
LEVELS = {"debug": logging.DEBUG, "warn": logging.WARNING, "error": logging.ERROR}
LINE_CHARACTERS = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a hook reads."""

    contexts: list[Document]
    values: Document
    config_values: Document


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a hook wrote."""

    values_patch: list[Document] = field(default_factory=list)
    config_values_patch: list[Document] = field(default_factory=list)
    kubernetes: list[Document] = field(default_factory=list)
    metrics: list[Document] = field(default_factory=list)


class FailedRunError(HookError):
    """A run ended with another exit code than 0; `outputs` hold what is taken all the same."""

    def __init__(self, message: str, outputs: Outputs) -> None:
        super().__init__(message)
        self.outputs = outputs


async def run_hook(hook: Hook, interpreter: Interpreter, inputs: Inputs) -> Outputs:
    """Run a hook once; raises FailedRunError, HookError, PatchRefusedError."""
    with tempfile.TemporaryDirectory(prefix="hook-", dir=interpreter.directory) as name:
        directory = Path(name)
        environment = _write_inputs(directory, inputs)
        try:
            code, out, error = await run_process(
                interpreter.command(hook.path),
                interpreter.directory,
                interpreter.environment_of(hook.path, environment),
                LIMIT_SECONDS,
            )
        except TimeoutError:
            raise HookError(f"{hook.name} did not end in {LIMIT_SECONDS} s") from None
        _log_lines(hook, out, error)
        if code == 0:
            return await asyncio.to_thread(_read_outputs, directory)
        raise FailedRunError(
            f"{hook.name}: exit status {code}\n{error}",
            Outputs(kubernetes=list(_in_spite_of_failure(directory))),
        )


def _write_inputs(directory: Path, inputs: Inputs) -> dict[str, str]:
    written = {
        "BINDING_CONTEXT_PATH": inputs.contexts,
        "VALUES_PATH": inputs.values,
        "CONFIG_VALUES_PATH": inputs.config_values,
    }
    empty = (
        "VALUES_JSON_PATCH_PATH",
        "CONFIG_VALUES_JSON_PATCH_PATH",
        "KUBERNETES_PATCH_PATH",
        "METRICS_PATH",
    )
    for name, content in written.items():
        (directory / name).write_text(json.dumps(content))
    for name in empty:
        (directory / name).touch()
    return {name: str(directory / name) for name in (*written, *empty)}


def _read_outputs(directory: Path) -> Outputs:
    return Outputs(
        values_patch=_flat(read_stream(directory / "VALUES_JSON_PATCH_PATH")),
        config_values_patch=_flat(read_stream(directory / "CONFIG_VALUES_JSON_PATCH_PATH")),
        kubernetes=read_operations(directory / "KUBERNETES_PATCH_PATH"),
        metrics=_flat(read_stream(directory / "METRICS_PATH")),
    )


def read_stream(path: Path) -> list[Any]:
    """Read JSON documents that follow each other; raises PatchRefusedError."""
    text = path.read_text()
    decoder = json.JSONDecoder()
    found: list[Any] = []
    at = 0
    while rest := text[at:].lstrip():
        at = len(text) - len(rest)
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise PatchRefusedError(f"{path.name}: {error}") from error
        found.append(document)
    return found


def read_operations(path: Path) -> list[Document]:
    """Read kubernetes operations: JSON documents, or else YAML ones."""
    try:
        found = _flat(read_stream(path))
    except PatchRefusedError:
        try:
            found = _flat(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError as error:
            raise PatchRefusedError(f"{path.name}: neither JSON nor YAML: {error}") from error
    return found


def _flat(documents: Iterable[Any]) -> list[Document]:
    found: list[Document] = []
    for document in documents:
        items = document if isinstance(document, list) else [document]
        for item in items:
            if not isinstance(item, dict):
                raise PatchRefusedError(f"an object is wanted, not {item!r}")
            found.append(item)
    return found


def _in_spite_of_failure(directory: Path) -> Iterable[Document]:
    try:
        operations = read_operations(directory / "KUBERNETES_PATCH_PATH")
    except PatchRefusedError:
        return
    for item in operations:
        if item.get("ignoreHookError") and item.get("subresource") in ("status", "/status"):
            yield item


def _log_lines(hook: Hook, out: str, error: str) -> None:
    for line in (*out.splitlines(), *error.splitlines()):
        level, message = logging.INFO, line[:LINE_CHARACTERS]
        try:
            parsed = json.loads(line)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            level = LEVELS.get(str(parsed.get("level")), logging.INFO)
        log.log(level, "%s: %s", hook.name, message)
