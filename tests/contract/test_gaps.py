"""What the embedded server does not do, by name: each is one row of the table of differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Document, pod
from contract.crds import DEFINITIONS, definition, widget, with_crd
from contract.differences import (
    CEL_COST,
    CEL_ERRORS,
    CEL_FUNCTIONS,
    CEL_TYPES,
    CONVERSION_REVIEWS,
    FORMATS,
    IP_ADDRESSES,
    KUBECTL_PROTOBUF,
    MATCH_CONDITIONS,
    POD_RULES,
    POD_WARNINGS,
    REVIEW_VERSIONS,
)
from contract.hooks import GROUP

if TYPE_CHECKING:
    from contract.api import Api


def ruled(api: Api, rule: str, **properties: Any) -> Document:
    spec = {
        "type": "object",
        "properties": properties or {"a": {"type": "string", "maxLength": 9}},
        "x-kubernetes-validations": [{"rule": rule}],
    }
    return definition(api, spec)


async def test_kubectl_create_with_flags(api: Api) -> None:
    words = ("create", "configmap", "c", "--from-literal=a=b")
    _, out, error = await api.kubectl(*words, check=False)
    assert (out or error).startswith(api.server.expect(KUBECTL_PROTOBUF))


@pytest.mark.parametrize("rule", ["self.a + 1 == 2", "self.a", "self.a == 1"])
async def test_types_of_rules(api: Api, rule: str) -> None:
    answer = await api.post(DEFINITIONS, ruled(api, rule), dryRun="All")
    assert answer.status == api.server.expect(CEL_TYPES)


async def test_cost_of_rules(api: Api) -> None:
    text = {"type": "string"}
    listed = {"type": "array", "items": {"type": "array", "items": text}}
    body = ruled(api, "self.l.all(x, x.all(y, y.matches('^a*$')))", l=listed)
    answer = await api.post(DEFINITIONS, body, dryRun="All")
    assert answer.status == api.server.expect(CEL_COST)


@with_crd(
    {
        "type": "object",
        "properties": {"l": {"type": "array", "maxItems": 9, "items": {"type": "integer"}}},
        "x-kubernetes-validations": [{"rule": "self.l.exists(x, 1 / x > 0)"}],
    }
)
async def test_errors_in_items(api: Api, path: str) -> None:
    answer = await api.post(path, widget(api, "w", {"l": [0, 1]}))
    assert answer.status == api.server.expect(CEL_ERRORS)


@pytest.mark.parametrize(
    "rule",
    [
        "quantity(self.a).isGreaterThan(quantity('1'))",
        "url(self.a).getHost() == 'a'",
        "!format.dns1123Label().validate(self.a).hasValue()",
        "semver(self.a).major() == 1",
        "sets.contains([self.a], ['a'])",
        "self.?a.orValue('') == ''",
        "[self.a].all(i, v, v == 'a')",
        "'%s'.format([self.a]) == 'a'",
        "strings.quote(self.a) == 'a'",
    ],
)
async def test_functions_that_are_refused(api: Api, rule: str) -> None:
    answer = await api.post(DEFINITIONS, ruled(api, rule), dryRun="All")
    assert answer.status == api.server.expect(CEL_FUNCTIONS), answer.raw


async def test_old_reviews_of_conversion(api: Api) -> None:
    client = {"url": "https://127.0.0.1:1/convert"}
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1beta1"]}
    body = definition(api, conversion={"strategy": "Webhook", "webhook": webhook})
    answer = await api.post(DEFINITIONS, body, dryRun="All")
    assert answer.status == api.server.expect(CONVERSION_REVIEWS)


@pytest.mark.parametrize("name", ["isbn", "creditcard", "ssn", "rgbcolor"])
async def test_rare_formats(api: Api, name: str) -> None:
    spec = {"type": "object", "properties": {"a": {"type": "string", "format": name}}}
    answer = await api.post(DEFINITIONS, definition(api, spec), dryRun="All")
    assert answer.status == api.server.expect(FORMATS)


async def test_rare_webhooks(api: Api) -> None:
    hook: Document = {
        "name": "a.lab.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    conditions = {"matchConditions": [{"name": "x", "expression": "true"}]}
    for change, difference in (
        (conditions, MATCH_CONDITIONS),
        ({"admissionReviewVersions": ["v1beta1"]}, REVIEW_VERSIONS),
    ):
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": api.namespace},
            "webhooks": [{**hook, **change}],
        }
        path = f"{GROUP}/validatingwebhookconfigurations"
        answer = await api.post(path, body, dryRun="All")
        assert answer.status == api.server.expect(difference), answer.raw


async def test_addresses_are_no_objects(api: Api) -> None:
    answer = await api.get("/apis/networking.k8s.io/v1/ipaddresses")
    assert answer.status == api.server.expect(IP_ADDRESSES)


@pytest.mark.parametrize(
    "spec",
    [
        {"dnsPolicy": "Odd"},
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        {"hostAliases": [{"ip": "x"}]},
        {"tolerations": [{"operator": "Maybe"}]},
    ],
)
async def test_pods_that_should_be_refused(api: Api, spec: Document) -> None:
    answer = await api.post(f"{api.core}/pods", pod("p", **spec))
    assert answer.status == api.server.expect(POD_RULES), answer.raw


async def test_pods_that_should_come_with_a_warning(api: Api) -> None:
    variable = {"name": "A", "value": "b"}
    container = {"name": "c", "image": "nginx:1", "env": [variable, variable]}
    answer = await api.post(f"{api.core}/pods", pod("p", containers=[container]))
    assert answer.ok(201)
    assert len(answer.warnings) == api.server.expect(POD_WARNINGS)
