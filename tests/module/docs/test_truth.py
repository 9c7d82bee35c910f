"""Words, settings and metrics that the pages name are those of the code, and none is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from metallb.api.conditions import ClassCondition, ServiceCondition, VirtualIPCondition
from metallb.api.services import (
    ADDRESSES_ANNOTATION,
    CLASS_ANNOTATION,
    COUNT_ANNOTATION,
    HOSTNAME_ANNOTATION,
    POOL_ANNOTATION,
    RETENTION_ANNOTATION,
    SHARING_ANNOTATION,
)
from metallb.api.virtual_ips import AnnounceReason, Suspension
from metallb.domain.hook_metrics import HookMetric
from metallb.domain.requests import RequestReason
from metallb.domain.selection import BindingReason
from module.docs.pages import NAMES, ROOT, english
from module.monitoring.page import chapters

if TYPE_CHECKING:
    from collections.abc import Iterable

ANNOTATIONS = (
    CLASS_ANNOTATION, COUNT_ANNOTATION, POOL_ANNOTATION, ADDRESSES_ANNOTATION, SHARING_ANNOTATION,
    RETENTION_ANNOTATION, HOSTNAME_ANNOTATION,
)  # fmt: skip
SOURCES = [
    path.read_text()
    for package in ("lib/python", "images/controller", "images/speaker")
    for path in (ROOT / package / "src").rglob("*.py")
]
CODE = "\n".join(SOURCES)
FIELDS_OF_A_CLASS = {"l2.interfaces"}


def named(pattern: str) -> set[str]:
    """What the pages name as code and looks so."""
    words = {word for name in NAMES for word in english(name).words}
    return {word for word in words if re.fullmatch(pattern, word)}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param("README", ANNOTATIONS, id="annotations"),
        pytest.param("README", ServiceCondition, id="conditions of Services"),
        pytest.param("README", ClassCondition, id="conditions of classes"),
        pytest.param("README", VirtualIPCondition, id="conditions of addresses"),
        pytest.param("CR", (*AnnounceReason, *Suspension), id="words of a VirtualIP"),
        pytest.param("FAQ", AnnounceReason, id="reasons of transitions"),
        pytest.param("FAQ", RequestReason, id="reasons of requests"),
        pytest.param("FAQ", set(BindingReason) - {BindingReason.BOUND}, id="reasons of bindings"),
        pytest.param("FAQ", HookMetric, id="metrics of hooks"),
    ],
)
def test_nothing_is_missing(page: str, words: Iterable[str]) -> None:
    assert not {str(word) for word in words} - set(english(page).words)


def test_reasons_are_those_of_the_code() -> None:
    reasons = named("([A-Z][a-z]+){2,}|[A-Z][a-z]+IPs?[A-Z][a-z]+|BFD[A-Z]\\w+")
    assert len(reasons) > 20
    unknown = {word for word in reasons if f'"{word}"' not in CODE}
    assert unknown <= {"LoadBalancer"}


def test_metrics_are_those_of_the_code() -> None:
    metrics = named("(metallb|d8)_[a-z0-9_]+")
    assert len(metrics) > 10
    assert metrics <= {row.name for rows in chapters().values() for row in rows}


def test_annotations_are_those_of_the_code() -> None:
    keys = named(r"[a-z0-9.-]*network\.deckhouse\.io/[a-z0-9-]+")
    assert len(keys) >= 6
    made = CODE.replace('f"{GROUP}/', '"network.deckhouse.io/')
    assert not {key for key in keys if f'"{key}"' not in made}


def test_settings_are_those_of_the_schema() -> None:
    schema = yaml.safe_load((ROOT / "openapi/config-values.yaml").read_text())
    page = english("CONFIGURATION")
    top = {word.partition(".")[0] for word in page.words}
    assert set(schema["properties"]) <= top
    for path in named(r"(l2|bgp|speaker|controller)\.[\w.]+") - FIELDS_OF_A_CLASS:
        at = schema
        for part in path.split("."):
            assert part in at["properties"], path
            at = at["properties"][part]


def test_findings_of_the_configuration_are_all_there() -> None:
    text = (ROOT / "lib/python/src/metallb/domain/configuration.py").read_text()
    reasons = set(re.findall(r'^ {12,16}"([A-Z]\w+)",$', text, re.M))
    assert len(reasons) == 5
    assert reasons <= set(english("CONFIGURATION").words)
