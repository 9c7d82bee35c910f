"""Validating and mutating webhook configurations: defaults and validation.

``matchConditions`` are refused: they are CEL over requests, which the webhook caller does not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.errors import FieldError, duplicate, invalid, not_supported, required
from metallb_lab.apiserver.metadata import subdomain
from metallb_lab.apiserver.resources import PlainStrategy

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]
SCOPES = ["*", "Cluster", "Namespaced"]
SIDE_EFFECTS = ["None", "NoneOnDryRun"]
FAILURE_POLICIES = ["Fail", "Ignore"]
MATCH_POLICIES = ["Equivalent", "Exact"]
MAX_TIMEOUT_SECONDS = 30


class WebhookConfigurationStrategy(PlainStrategy):
    """Both kinds; the mutating one also has ``reinvocationPolicy``."""

    unconditional_update = False
    qualified_finalizers = "never"
    generations = True

    def spec_of(self, obj: Document) -> object:
        """The webhooks are the spec."""
        return obj.get("webhooks")

    def default(self, obj: Document) -> None:
        """``SetDefaults_*Webhook``."""
        for hook in obj.get("webhooks", ()):
            hook.setdefault("failurePolicy", "Fail")
            hook.setdefault("matchPolicy", "Equivalent")
            hook.setdefault("namespaceSelector", {})
            hook.setdefault("objectSelector", {})
            hook.setdefault("timeoutSeconds", 10)
            if self.kind == "MutatingWebhookConfiguration":
                hook.setdefault("reinvocationPolicy", "Never")
            for rule in hook.get("rules", ()):
                rule.setdefault("scope", "*")
            if service := hook.get("clientConfig", {}).get("service"):
                service.setdefault("port", 443)

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """Each hook, and that no name comes twice."""
        found = []
        names: set[str] = set()
        for index, hook in enumerate(new.get("webhooks", ())):
            path = f"webhooks[{index}]"
            found += hook_errors(hook, path)
            if hook.get("name") in names:
                found.append(duplicate(f"{path}.name", hook["name"]))
            names.add(hook.get("name", ""))
        return found


def hook_errors(hook: Document, path: str) -> list[FieldError]:
    """One webhook."""
    if hook.get("matchConditions"):
        raise errors.not_implemented("matchConditions of admission webhooks")
    found = []
    name = hook.get("name", "")
    if not name:
        found.append(required(f"{path}.name"))
    elif fault := subdomain(name):
        found.append(invalid(f"{path}.name", name, fault))
    elif name.count(".") < 2:
        why = "should be a domain with at least three segments separated by dots"
        found.append(invalid(f"{path}.name", name, why))
    for field, values in (
        ("failurePolicy", FAILURE_POLICIES),
        ("matchPolicy", MATCH_POLICIES),
        ("sideEffects", SIDE_EFFECTS),
    ):
        value = hook.get(field)
        if value is None:
            found.append(required(f"{path}.{field}", f"must specify one of {', '.join(values)}"))
        elif value not in values:
            found.append(not_supported(f"{path}.{field}", value, values))
    seconds = hook["timeoutSeconds"]
    if not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        bound = "less than or equal to 30" if seconds > 1 else "greater than or equal to 1"
        why = f"the timeout value must be {bound} second{'s' if seconds > 1 else ''}"
        found.append(invalid(f"{path}.timeoutSeconds", seconds, why))
    for index, rule in enumerate(hook.get("rules", ())):
        found += rule_errors(rule, f"{path}.rules[{index}]")
    found += client_errors(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    return [*found, *review_errors(hook, path)]


def review_errors(hook: Document, path: str) -> list[FieldError]:
    """The versions of AdmissionReview; the real server also speaks v1beta1, ours v1 alone."""
    versions = hook.get("admissionReviewVersions") or []
    where = f"{path}.admissionReviewVersions"
    if not versions:
        return [required(where, "must specify one of v1, v1beta1")]
    if not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        return [invalid(where, versions, why)]
    if "v1" not in versions:
        raise errors.not_implemented("AdmissionReview v1beta1")
    return []


def rule_errors(rule: Document, path: str) -> list[FieldError]:
    """Operations, groups, versions, resources, scope."""
    found = []
    for name in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(name) or []
        if not values:
            found.append(required(f"{path}.{name}"))
        elif name != "resources" and "*" in values and len(values) > 1:
            why = (
                "if '*' is present, must not specify other "
                + {
                    "operations": "operations",
                    "apiGroups": "API groups",
                    "apiVersions": "API versions",
                }[name]
            )
            found.append(invalid(f"{path}.{name}", values, why))
    found += [
        not_supported(f"{path}.operations[{index}]", value, OPERATIONS)
        for index, value in enumerate(rule.get("operations") or ())
        if value not in OPERATIONS
    ]
    if rule["scope"] not in SCOPES:
        found.append(not_supported(f"{path}.scope", rule["scope"], SCOPES))
    return found


def client_errors(client: Document, path: str) -> list[FieldError]:
    """Exactly one of url and service."""
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    if service is not None:
        return [
            required(f"{path}.service.{name}") for name in ("namespace", "name")
            if not service.get(name)
        ]  # fmt: skip
    parts = urlsplit(str(url))
    form = "; desired format: https://host[/path]"
    where = f"{path}.url"
    if parts.scheme != "https":
        why = f"'https' is the only allowed URL scheme{form}"
        return [invalid(where, parts.scheme, why)]
    if not parts.netloc:
        return [invalid(where, parts.netloc, f"host must be specified{form}")]
    found = []
    if parts.username:
        found.append(invalid(where, parts.username, "user information is not permitted in the URL"))
    for text, what in ((parts.fragment, "fragments"), (parts.query, "query parameters")):
        if text:
            found.append(invalid(where, text, f"{what} are not permitted in the URL"))
    return found
