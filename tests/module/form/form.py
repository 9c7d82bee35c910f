"""The settings of the module as a form in a real browser.

The form is what a JSON-schema form library makes of `openapi/config-values.yaml`, as the platform's
console makes one. npm's packages are pinned by the lock beside this file and kept in the user's
cache, in a directory named by the lock's digest: only the first run needs the network. Node.js is
of the Python environment, Chromium is the machine's own.

Limit: rules of `x-deckhouse-validations` are CEL, which a form does not know; the platform refuses
what breaks them (`tests/module/openapi`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metallb_lab import tools

if TYPE_CHECKING:
    from types import TracebackType

HERE = Path(__file__).parent
OPENAPI = HERE.parents[2] / "openapi"
NPM_SECONDS = 600.0
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

Document = dict[str, Any]


# ---------------------------------------------------------------- the schema


def schema_in(language: str) -> Document:
    """Give the schema of the settings with the descriptions of a language."""
    schema: Document = yaml.load(
        (OPENAPI / "config-values.yaml").read_text(), Loader=yaml.CSafeLoader
    )
    if language == "ru":
        _translate(schema, yaml.safe_load((OPENAPI / "doc-ru-config-values.yaml").read_text()))
    return _current(schema)


def _translate(schema: Document, twin: Document) -> None:
    """Put the twin's descriptions over those of a schema; changes the schema."""
    for name, below in twin.items():
        if isinstance(below, dict):
            _translate(schema[name], below)
        else:
            schema[name] = below


def _current(schema: Document) -> Document:
    """Leave out what is deprecated: a form is for settings that do something."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {
            name: _current(below)
            for name, below in found["properties"].items()
            if not below.get("x-doc-deprecated")
        }
    return found


# ---------------------------------------------------------------- packages, page


def packages() -> Path:
    """Give the directory with npm's packages; installs them when they are not in the cache."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:20]
    kept = tools.cache_dir() / "form" / digest
    if (kept / "node_modules").is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    print("[form] npm installs the packages of the form (once)", file=sys.__stderr__, flush=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as made:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, made)
        command = [str(PROGRAMS / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=made, env=ENVIRONMENT, check=True, timeout=NPM_SECONDS)
        if not kept.exists():
            os.rename(Path(made), kept)
            Path(made).mkdir()
    return kept


def bundle(to: Path) -> None:
    """Make the script and the style of the page."""
    kept = packages()
    for name in ("app.jsx", "app.css"):
        shutil.copy(HERE / name, to)
    (to / "node_modules").symlink_to(kept / "node_modules")
    fonts = [f"--loader:.{kind}=empty" for kind in ("woff", "ttf", "eot", "svg")]
    command = [
        str(kept / "node_modules/.bin/esbuild"), "app.jsx", "--bundle", "--jsx=automatic",
        "--outfile=page.js", "--loader:.woff2=dataurl", *fonts,
        '--define:process.env.NODE_ENV="production"', "--log-level=warning",
    ]  # fmt: skip
    subprocess.run(command, cwd=to, env=ENVIRONMENT, check=True, timeout=60)


def page(to: Path, language: str, schema: Document) -> Path:
    """Write the page that shows the form of a schema."""
    given = json.dumps({"schema": schema, "language": language}).replace("</", "<\\/")
    path = to / f"settings.{language}.html"
    path.write_text(
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f'<link rel="stylesheet" href="page.css"><div id="root"></div>'
        f"<script>window.given = {given}</script>"
        f'<script src="page.js"></script></html>'
    )
    return path


# ---------------------------------------------------------------- the browser


class StepError(Exception):
    """A step could not be done; the text is the browser's."""


class Browser:
    """Chromium without a window, led step by step through `drive.mjs`."""

    def __enter__(self) -> Browser:
        chromium = shutil.which("chromium")
        assert chromium, "there is no chromium: apt-get install chromium"
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", str(PROGRAMS / "node"),
             str(HERE / "drive.mjs"), chromium, str(packages())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)

    def __call__(self, step: str, **given: Any) -> Any:
        """Do a step; gives what is seen."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"step": step, **given}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"failed": "the browser ended"}')
        if "failed" in answer:
            raise StepError(answer["failed"])
        return answer["seen"]
