"""Alerts: each fires when it should and keeps quiet when it should, and says what to do.

The rules of form are the platform's: names, labels, annotations, and that the text has steps.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import pytest

from module.monitoring.rules import (
    ROOT,
    RULES,
    Alert,
    all_alerts,
    all_cases,
    check,
    read_groups,
    try_cases,
)

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = {alert.name: alert for alert in all_alerts()}
CASES = all_cases()
GROUPS = {"D8MetallbMalfunctioning", "D8MetallbPools"}
OF_DECKHOUSE = {
    "D8MetallbConfigNotLoaded", "D8MetallbConfigStale", "D8MetallbBGPSessionDown",
    "D8MetallbNotSupportedServiceAnnotationsDetected", "D8MetallbUpdateMCVersionRequired",
    "D8MetallbObsoleteLayer2PoolsAreUsed", "L2LoadBalancerOrphanServiceFound",
}  # fmt: skip
"""Alerts of the module that this one takes the place of: their names are known to people."""

OURS, OTHERS = 'namespace="d8-metallb"', 'namespace="other"'

real = pytest.mark.real
every_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=list(ALERTS))


# ---------------------------------------------------------------- promtool


@real
@pytest.mark.parametrize("path", sorted(RULES.rglob("*")), ids=lambda path: path.name)
def test_the_form_is_right(path: Path, tmp_path: Path) -> None:
    assert path.suffix == ".yaml"
    said = check(read_groups(path), tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr


@real
def test_a_wrong_form_is_found(tmp_path: Path) -> None:
    [group] = copy.deepcopy(read_groups(RULES / "bgp.yaml"))
    group["rules"][0]["expr"] = "min by (pod"
    assert check([group], tmp_path).returncode != 0


@real
@every_alert
def test_it_fires(alert: Alert, tmp_path: Path) -> None:
    said = try_cases(alert, CASES[alert.name]["fires"], tmp_path, fires=True)
    assert said.returncode == 0, said.stdout + said.stderr


@real
@every_alert
def test_it_keeps_quiet(alert: Alert, tmp_path: Path) -> None:
    said = try_cases(alert, CASES[alert.name]["quiet"], tmp_path, fires=False)
    assert said.returncode == 0, said.stdout + said.stderr


@real
@pytest.mark.parametrize(
    "alert", [item for item in ALERTS.values() if "for" in item.rule], ids=lambda item: item.name
)
def test_it_waits_before_it_fires(alert: Alert, tmp_path: Path) -> None:
    minutes = int(alert.rule["for"].removesuffix("m"))
    early = [{**case, "at": f"{minutes - 1}m"} for case in CASES[alert.name]["fires"]]
    said = try_cases(alert, early, tmp_path, fires=False)
    assert said.returncode == 0, said.stdout + said.stderr


@real
@pytest.mark.parametrize(
    "alert",
    [item for item in ALERTS.values()
     if OURS in item.rule["expr"] and not item.name.endswith("TargetAbsent")],
    ids=lambda item: item.name,
)  # fmt: skip
def test_it_is_not_about_others(alert: Alert, tmp_path: Path) -> None:
    """The same series of another namespace are another's; but absent is who is not here."""
    cases = [
        {**case, "series": {name.replace(OURS, OTHERS): value
                            for name, value in case["series"].items()}}
        for case in CASES[alert.name]["fires"]
    ]  # fmt: skip
    assert all(OTHERS in name for case in cases for name in case["series"])
    said = try_cases(alert, cases, tmp_path, fires=False)
    assert said.returncode == 0, said.stdout + said.stderr


@real
def test_a_case_can_fail(tmp_path: Path) -> None:
    alert, cases = ALERTS["D8MetallbBGPSessionDown"], CASES["D8MetallbBGPSessionDown"]
    assert try_cases(alert, cases["fires"], tmp_path, fires=False).returncode != 0
    wrong = {**cases["fires"][0], **cases["quiet"][0]}
    assert try_cases(alert, [cases["fires"][0], wrong], tmp_path, fires=True).returncode != 0


def test_every_alert_has_cases_of_both_kinds() -> None:
    assert CASES.keys() == ALERTS.keys()
    assert len(ALERTS) >= 25
    for name, cases in CASES.items():
        assert cases["fires"], name
        assert cases["quiet"], name
        assert all(case["why"] for case in cases["quiet"]), name


# ---------------------------------------------------------------- the platform's rules


def test_alerts_that_people_know_are_there() -> None:
    assert ALERTS.keys() >= OF_DECKHOUSE


@pytest.mark.parametrize("page", ["FAQ.md", "FAQ.ru.md"])
def test_people_are_told_of_every_alert(page: str) -> None:
    rows = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line[:2] == "| "]
    named = {name for line in rows for name in re.findall(r"`((?:D8|L2)\w+)`", line)}
    assert named == ALERTS.keys()


def test_every_name_is_given_once() -> None:
    assert len(ALERTS) == len(all_alerts())
    groups = {(alert.file, alert.group) for alert in ALERTS.values()}
    assert len({group for _, group in groups}) == len(groups)


@every_alert
def test_names(alert: Alert) -> None:
    assert re.fullmatch(r"D8Metallb[A-Z]\w+", alert.name) or alert.name in OF_DECKHOUSE
    assert re.fullmatch(r"d8\.metallb\.[a-z]+", alert.group)


@every_alert
def test_labels(alert: Alert) -> None:
    labels = alert.rule["labels"]
    assert re.fullmatch("[3-9]", labels["severity_level"])
    assert labels["tier"] in ("cluster", "application")
    assert labels["d8_module"] == "metallb"


@every_alert
def test_annotations(alert: Alert) -> None:
    annotations = alert.rule["annotations"]
    assert annotations["plk_protocol_version"] == "1"
    assert annotations["plk_markup_format"] == "markdown"
    for key, value in annotations.items():
        if key.startswith("plk_create_group_if_not_exists__"):
            group, *rest = value.split(",")
            assert group in GROUPS
            assert rest == ["tier=~tier", "prometheus=deckhouse", "kubernetes=~kubernetes"]
            assert annotations["plk_grouped_by__" + key.partition("__")[2]] == value
            assert (
                "d8_" + re.sub("(?<!^)(?=[A-Z])", "_", group[2:]).lower() == key.partition("__")[2]
            )


@every_alert
def test_the_text_says_what_to_do(alert: Alert) -> None:
    annotations = alert.rule["annotations"]
    assert len(annotations["summary"]) < 120
    assert annotations["summary"].endswith(".")
    text = annotations["description"]
    assert text.count("```") % 2 == 0
    assert "kubectl " in text or "1. " in text
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.M)]
    assert steps == list(range(1, len(steps) + 1))


@every_alert
def test_the_text_uses_only_labels_that_the_alert_has(alert: Alert) -> None:
    labels = {**alert.rule["labels"], **CASES[alert.name]["fires"][0]["labels"]}
    texts = [*alert.rule["annotations"].values(), *alert.rule["labels"].values()]
    used = {name for text in texts for name in re.findall(r"\$labels\.(\w+)", text)}
    assert used <= labels.keys()


@every_alert
def test_the_expression_says_whose_series_it_means(alert: Alert) -> None:
    """Other modules have a controller too: job and namespace belong to each series of ours."""
    selectors = re.findall(r"\b(metallb_\w+|up|kube_\w+)(?:\{([^}]*)\})?", alert.rule["expr"])
    for name, labels in selectors:
        assert 'namespace="d8-metallb"' in labels, name
        assert re.search("job=|deployment=|daemonset=", labels), name
