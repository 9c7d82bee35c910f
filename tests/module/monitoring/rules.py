"""The alerting rules as they are in the tree, and promtool, which is Prometheus' own judge of them.

A case says which series there are, and whether the alert fires at a time. promtool compares every
annotation of an alert that fires, so it is given the rules with their summaries alone: the rest of
the text is long, and what stands in it for labels is checked against the labels of the case.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "monitoring/prometheus-rules"
CASES = Path(__file__).parent / "cases"

Rule = dict[str, Any]
Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule, with the group and the file that it is in."""

    file: str
    group: str
    rule: Rule

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.rule["alert"])


def read_groups(path: Path) -> list[dict[str, Any]]:
    """Read a file of rules: a list of groups, as the platform's library chart wants it."""
    groups: list[dict[str, Any]] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return groups


def all_alerts() -> list[Alert]:
    """Give the alerts of all files."""
    return [
        Alert(path.stem, group["name"], rule)
        for path in sorted(RULES.rglob("*.yaml"))
        for group in read_groups(path)
        for rule in group["rules"]
    ]


def all_cases() -> dict[str, dict[str, list[Case]]]:
    """Give the cases of all alerts; every scalar is a text, for `0x10` is ten intervals of 0."""
    found: dict[str, dict[str, list[Case]]] = {}
    for path in sorted(CASES.glob("*.yaml")):
        for alert, cases in yaml.load(path.read_text(), Loader=yaml.BaseLoader).items():
            assert alert not in found, f"{alert} has cases in two files"
            found[alert] = cases
    return found


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    program = shutil.which("promtool")
    assert program, "promtool is not here: `scripts/setup.py test` installs it"
    command = [program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=given)


def promtool_reads(exposition: str) -> list[str]:
    """Let promtool read what a program exposes; gives its objections, one a line."""
    said = promtool("check", "metrics", given=exposition)
    assert said.returncode in (0, 3), said.stderr
    return said.stderr.splitlines()


def check(groups: list[dict[str, Any]], work: Path) -> subprocess.CompletedProcess[str]:
    """Let promtool judge the form of groups of rules."""
    file = work / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    return promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))


def try_cases(
    alert: Alert, cases: list[Case], work: Path, *, fires: bool
) -> subprocess.CompletedProcess[str]:
    """Let promtool play cases of an alert; it tells of each that comes out otherwise."""
    summary = {"summary": alert.rule["annotations"]["summary"]}
    rules = work / "rules.yaml"
    rule = {**alert.rule, "annotations": summary}
    rules.write_text(yaml.safe_dump({"groups": [{"name": alert.group, "rules": [rule]}]}))
    tests = [_test(alert, case, fires=fires) for case in cases]
    file = work / "test.yaml"
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(document))
    return promtool("test", "rules", str(file))


def _test(alert: Alert, case: Case, *, fires: bool) -> dict[str, Any]:
    expected = []
    if fires:
        labels = {**alert.rule["labels"], **case["labels"]}
        expected.append({"exp_labels": labels, "exp_annotations": {"summary": case["summary"]}})
    series = [{"series": name, "values": values} for name, values in case["series"].items()]
    question = {"eval_time": case["at"], "alertname": alert.name, "exp_alerts": expected}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [question]}
