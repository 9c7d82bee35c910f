"""Conversions of settings from the version that a user wrote to the one that the module has.

``openapi/conversions/vN.yaml`` holds jq programs that make version N of version N-1
(deckhouse-platform.md §1.5). The chain begins at 2, has no gaps, and ends at ``x-config-version``.
The operator converts in memory when settings arrive; what the user wrote is never written anew.
The programs are run by the real gojq, each on what the one before it gave.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]

KEYS = {"version", "conversions", "description"}
LANGUAGES = {"en", "ru"}
LIMIT_SECONDS = 10.0


class ConversionError(Exception):
    """A chain is not whole, a file is not a conversion, or a program failed."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The step to one version; ``notes`` say by language what a person must do."""

    version: int
    programs: tuple[str, ...]
    notes: Document

    @classmethod
    def load(cls, path: Path) -> Conversion:
        """Read one file."""
        document = yaml.safe_load(path.read_text())
        if not isinstance(document, dict) or document.keys() != KEYS:
            raise ConversionError(f"{path}: wants exactly the keys {', '.join(sorted(KEYS))}")
        if path.name != f"v{document['version']}.yaml":
            raise ConversionError(f"{path}: holds version {document['version']}")
        if document["description"].keys() != LANGUAGES or not all(document["description"].values()):
            raise ConversionError(f"{path}: wants a description in en and in ru")
        if not document["conversions"]:
            raise ConversionError(f"{path}: converts nothing")
        return cls(document["version"], tuple(document["conversions"]), document["description"])


@dataclass(frozen=True, slots=True)
class Conversions:
    """The whole chain."""

    steps: tuple[Conversion, ...]
    gojq: Path

    @classmethod
    def load(cls, directory: Path, gojq: Path) -> Conversions:
        """Read the directory ``openapi/conversions``; a module without it has version 1."""
        names = [path for path in directory.glob("v*.yaml") if re.fullmatch(r"v\d+", path.stem)]
        steps = tuple(sorted(map(Conversion.load, names), key=lambda step: step.version))
        if [step.version for step in steps] != list(range(2, len(steps) + 2)):
            raise ConversionError(f"{directory}: versions must go from 2 without a gap")
        return cls(steps, gojq)

    @property
    def latest(self) -> int:
        """The version that the chain ends at."""
        return len(self.steps) + 1

    def apply(self, settings: Document, version: int, to: int | None = None) -> Document:
        """Convert settings of a version to another, by default the latest."""
        wanted = self.latest if to is None else to
        if not 1 <= version <= self.latest:
            raise ConversionError(f"version {version} is not known; the latest is {self.latest}")
        for step in self.steps:
            if version < step.version <= wanted:
                for program in step.programs:
                    settings = self._run(program, settings, step.version)
        return settings

    def _run(self, program: str, settings: Document, version: int) -> Document:
        done = subprocess.run(
            [str(self.gojq), "--compact-output", program],
            input=json.dumps(settings),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise ConversionError(f"v{version}: {program}: {done.stderr.strip()}")
        results = [json.loads(line) for line in done.stdout.splitlines()]
        if len(results) != 1 or not isinstance(results[0], dict):
            raise ConversionError(f"v{version}: {program}: gave {done.stdout.strip()}, no settings")
        found: Document = results[0]
        return found
