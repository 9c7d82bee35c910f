"""The commands in the texts of alerts, run against a cluster as a person would who follows them.

What only looks is run as it is; what changes something is run dry where kubectl can, and else left
out, as are logs and what kubelets would have to answer.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from metallb_lab import tools

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FENCE = re.compile(r"^ *```bash\n(.*?)^ *```", re.M | re.S)
_NOT_HERE = re.compile(r" edit | delete | top | logs |tcpdump|moduleconfig")
_CHANGES = re.compile(r" (?:annotate|patch) ")
_ABSENT = re.compile(r"not found|No resources found")


def commands(text: str) -> list[str]:
    """Give the commands of a text, one a line."""
    blocks = _FENCE.findall(text)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def filled(text: str, labels: Mapping[str, str]) -> str:
    """Put labels into a text as Prometheus does, and a 1 for the value."""
    text = re.sub(r"\{\{ (?:or )?\$labels\.(\w+)[^}]*\}\}", lambda found: labels[found[1]], text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", "1", text)


def can_be_run(command: str) -> bool:
    """Tell whether a command makes sense in a lab whose programs are no pods."""
    return not _NOT_HERE.search(command)


def run(command: str, kubeconfig: Path, places: Mapping[str, str]) -> str:
    """Run a command; gives what it prints. That an object is not there is no fault of the text."""
    for word, value in places.items():
        command = re.sub(rf"\b{word}\b", value, command)
    if _CHANGES.search(command):
        command += " --dry-run=server"
    kubectl = f"{tools.find('kubectl')} --kubeconfig={kubeconfig}"
    command = re.sub(r"\bkubectl\b", kubectl, command)
    command = re.sub(r"\| jq\b", f"| {tools.find('gojq')}", command)
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False,
        timeout=30,
    )  # fmt: skip
    assert found.returncode == 0 or _ABSENT.search(found.stderr), f"{command}\n{found.stderr}"
    return found.stdout
