"""The API server is told how to call us, and nobody else's webhook is touched."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest

from metallb.domain.webhook_registration import bundle_patch, conversion_patch, encoded
from support.situations import HOSTILE

NAMESPACE = "d8-metallb"
OURS = {"name": "metallb-webhook", "namespace": NAMESPACE}


def configuration(*services: dict[str, str], **client: str) -> dict[str, Any]:
    hooks = [
        {"name": f"h{number}", "clientConfig": {"service": dict(service), **client}}
        for number, service in enumerate(services)
    ]
    return {"webhooks": hooks}


def definition(conversion: Any = None, *, old: bool = True) -> dict[str, Any]:
    versions = [{"name": "v1beta2", "served": True}, {"name": "v1beta1", "served": old}]
    spec: dict[str, Any] = {"versions": versions}
    if conversion is not None:
        spec["conversion"] = conversion
    return {"metadata": {"resourceVersion": "9"}, "spec": spec}


def by_webhook(service: dict[str, str]) -> dict[str, Any]:
    client = {"caBundle": "b2xk", "service": service}
    return {"strategy": "Webhook", "webhook": {"clientConfig": client}}


def test_our_webhooks_get_the_bundle_and_others_do_not() -> None:
    value = configuration(OURS, {**OURS, "namespace": "other"}, {"name": "x"}, OURS)
    patch = bundle_patch(value, NAMESPACE, "new")
    assert patch is not None
    patched = jsonpatch.apply_patch(value, patch)
    bundles = [hook["clientConfig"].get("caBundle") for hook in patched["webhooks"]]
    assert bundles == [encoded("new"), None, None, encoded("new")]
    assert bundle_patch(patched, NAMESPACE, "new") is None


def test_the_patch_fails_when_the_webhooks_are_others_by_now() -> None:
    patch = bundle_patch(configuration(OURS), NAMESPACE, "new")
    other = configuration(OURS)
    other["webhooks"][0]["name"] = "other"
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(other, patch or [])


@pytest.mark.parametrize("present", [None, {"strategy": "None"}, by_webhook(OURS)])
def test_a_definition_is_converted_by_us(present: Any) -> None:
    patch = conversion_patch(definition(present), NAMESPACE, "new")
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "9"}
    wanted = patch["spec"]["conversion"]
    client = wanted["webhook"]["clientConfig"]
    assert client["caBundle"] == encoded("new")
    assert client["service"] == {**OURS, "path": "/convert", "port": 443}
    assert conversion_patch(definition(wanted), NAMESPACE, "new") is None


@pytest.mark.parametrize(
    "value",
    [
        definition(by_webhook({**OURS, "namespace": "metallb-system"})),
        definition({"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}}}),
        definition(old=False),
        {},
    ],
)
def test_a_conversion_that_is_not_ours_to_do_is_left_alone(value: Any) -> None:
    assert conversion_patch(value, NAMESPACE, "new") is None


@pytest.mark.parametrize("odd", HOSTILE)
def test_hostile_objects_are_left_alone(odd: Any) -> None:
    assert bundle_patch({"webhooks": odd}, NAMESPACE, "new") is None
    assert bundle_patch({"webhooks": [odd]}, NAMESPACE, "new") is None
    assert conversion_patch({"spec": odd}, NAMESPACE, "new") is None
