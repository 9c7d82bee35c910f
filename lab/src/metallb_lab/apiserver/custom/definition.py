"""CustomResourceDefinitions as objects: defaults, validation, status.

Everything that v1 knows is validated here or in :mod:`.schema.checks`; conversion webhooks that
understand only v1beta1 reviews are refused honestly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.custom import names
from metallb_lab.apiserver.documents import copied
from metallb_lab.apiserver.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from metallb_lab.apiserver.jsonpath import PathError, parse_path
from metallb_lab.apiserver.kinds.webhook_configurations import client_errors
from metallb_lab.apiserver.metadata import label_1035, subdomain
from metallb_lab.apiserver.resources import STATUS_VERBS, PlainStrategy, Resource
from metallb_lab.apiserver.schema import cel
from metallb_lab.apiserver.schema.checks import schema_errors
from metallb_lab.apiserver.schema.structural import read_root

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

GROUP = "apiextensions.k8s.io"
COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"]
COLUMN_FORMATS = [
    "int32", "int64", "float", "double", "byte", "date", "date-time", "password",
]  # fmt: skip
STRATEGIES = ["None", "Webhook"]
SCOPES = ["Cluster", "Namespaced"]
MAX_SELECTABLE = 8
PROTECTED = (".k8s.io", ".kubernetes.io")
APPROVAL = "api-approved.kubernetes.io"


class DefinitionStrategy(PlainStrategy):
    """``apiextensions.k8s.io/v1`` CustomResourceDefinitions."""

    unconditional_update = False
    qualified_finalizers = "never"
    has_status = True
    generations = True

    def __init__(self) -> None:
        super().__init__(GROUP, "v1", "CustomResourceDefinition")

    def default(self, obj: Document) -> None:
        """Names that follow from others, and no conversion."""
        spec = obj.setdefault("spec", {})
        listed = spec.setdefault("names", {})
        kind = listed.get("kind", "")
        if kind:
            listed.setdefault("singular", kind.lower())
            listed.setdefault("listKind", f"{kind}List")
        conversion = spec.setdefault("conversion", {})
        conversion.setdefault("strategy", "None")
        client = (conversion.get("webhook") or {}).get("clientConfig") or {}
        if service := client.get("service"):
            service.setdefault("port", 443)
        if spec.get("preserveUnknownFields") is False:
            del spec["preserveUnknownFields"]

    def prepare_create(self, new: Document) -> None:
        """A new CRD has a storage version and nothing accepted."""
        super().prepare_create(new)
        stored = [v["name"] for v in new["spec"].get("versions", ()) if v.get("storage")]
        accepted = {"plural": "", "kind": ""}
        new["status"] = {"conditions": None, "acceptedNames": accepted, "storedVersions": stored}

    def prepare_update(self, new: Document, old: Document) -> None:
        """A new storage version joins those that objects are stored in."""
        super().prepare_update(new, old)
        new["status"] = copied(old["status"])
        for version in new["spec"].get("versions", ()):
            if version.get("storage") and version["name"] not in new["status"]["storedVersions"]:
                new["status"]["storedVersions"].append(version["name"])

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """``ValidateCustomResourceDefinition``."""
        spec = new["spec"]
        found = spec_errors(spec) + conversion_errors(spec["conversion"], "spec.conversion")
        plural, group = spec["names"].get("plural", ""), spec.get("group", "")
        name = new["metadata"].get("name", "")
        if name != f"{plural}.{group}":
            why = 'must be spec.names.plural+"."+spec.group'
            found.append(invalid("metadata.name", name, why))
        found += approval_errors(new)
        if old is not None and names.is_true(old, "Established"):
            found += fixed_errors(spec, old["spec"])
        return found


def approval_errors(new: Document) -> list[FieldError]:
    """Kubernetes' own groups are for Kubernetes."""
    if not new["spec"].get("group", "").endswith(PROTECTED):
        return []
    if new["metadata"].get("annotations", {}).get(APPROVAL):
        return []
    path = f"metadata.annotations[{APPROVAL}]"
    why = (
        "protected groups must have approval annotation "
        f'"{APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111'
    )
    return [required(path, why)]


def fixed_errors(spec: Document, before: Document) -> list[FieldError]:
    """What never changes once a CRD is established."""
    fixed = {
        "spec.group": (spec.get("group"), before.get("group")),
        "spec.names.plural": (spec["names"].get("plural"), before["names"].get("plural")),
        "spec.scope": (spec.get("scope"), before.get("scope")),
        "spec.names.kind": (spec["names"].get("kind"), before["names"].get("kind")),
    }
    return [
        invalid(path, new, "field is immutable") for path, (new, old) in fixed.items() if new != old
    ]


def spec_errors(spec: Document) -> list[FieldError]:
    """The specification, CEL included."""
    found = []
    group = spec.get("group", "")
    if not group:
        found.append(required("spec.group"))
    elif fault := subdomain(group):
        found.append(invalid("spec.group", group, fault))
    elif "." not in group:
        found.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    scope = spec.get("scope", "")
    if not scope:
        found.append(required("spec.scope"))
    elif scope not in SCOPES:
        found.append(not_supported("spec.scope", scope, SCOPES))
    versions = spec.get("versions") or []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        single = len(versions) == 1
        found += version_errors(version, f"spec.versions[{index}]", single)
        if version.get("name") in seen:
            found.append(invalid("spec.versions", versions, "must contain unique version names"))
        seen.add(version.get("name", ""))
    if sum(bool(v.get("storage")) for v in versions) != 1:
        why = "must have exactly one version marked as storage version"
        found.append(invalid("spec.versions", versions, why))
        found.append(
            invalid("status.storedVersions", None, "must have at least one stored version")
        )
    return [*found, *name_errors(spec["names"])]


def conversion_errors(conversion: Document, path: str) -> list[FieldError]:
    """``ValidateCustomResourceConversion``; paths are those of the internal type, as there."""
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook") or {}
    client, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    if strategy not in STRATEGIES:
        return [not_supported(f"{path}.strategy", strategy, STRATEGIES)]
    if strategy == "None":
        given = {"webhookClientConfig": client, "conversionReviewVersions": versions}
        why = "should not be set when strategy is not set to Webhook"
        return [forbidden(f"{path}.{name}", why) for name, value in given.items() if value]
    if client is None:
        where = f"{path}.webhookClientConfig"
        found = [required(where, "required when strategy is set to Webhook")]
    else:
        found = client_errors(client, f"{path}.webhookClientConfig")
    if not versions:
        found.append(required(f"{path}.conversionReviewVersions"))
    elif "v1" not in versions:
        raise errors.not_implemented("a conversion webhook that does not understand v1")
    return found


def name_errors(listed: Document) -> list[FieldError]:
    """``ValidateCustomResourceDefinitionNames``."""
    found = [
        required(f"spec.names.{name}")
        for name in ("plural", "singular", "kind", "listKind")
        if not listed.get(name)
    ]
    found += [
        invalid(f"spec.names.{name}", listed[name], fault)
        for name in ("plural", "singular")
        if listed.get(name) and (fault := label_1035(listed[name]))
    ]
    for name in ("kind", "listKind"):
        if listed.get(name) and (fault := label_1035(listed[name].lower())):
            why = f"may have mixed case, but should otherwise match: {fault}"
            found.append(invalid(f"spec.names.{name}", listed[name], why))
    if listed.get("kind") and listed.get("kind") == listed.get("listKind"):
        why = "kind and listKind may not be the same"
        found.append(invalid("spec.names.listKind", listed["listKind"], why))
    for name in ("shortNames", "categories"):
        for index, value in enumerate(listed.get(name) or ()):
            if fault := label_1035(value):
                found.append(invalid(f"spec.names.{name}[{index}]", value, fault))
    return found


def version_errors(version: Document, path: str, single: bool) -> list[FieldError]:
    """One version; the real server tells of the only one as if it stood at the top."""
    found = []
    name = version.get("name", "")
    if fault := label_1035(name):
        found.append(invalid(f"{path}.name", name, fault))
    if version.get("deprecationWarning") and not version.get("deprecated"):
        why = "can only be set for deprecated versions"
        found.append(invalid(f"{path}.deprecationWarning", version["deprecationWarning"], why))
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    top = "spec" if single else path
    if schema is None:
        return [*found, required(f"{path}.schema.openAPIV3Schema")]
    where = "spec.validation.openAPIV3Schema" if single else f"{path}.schema.openAPIV3Schema"
    faults = schema_errors(schema, where)
    if not faults:
        cel.compile_rules(read_root(schema), where, faults)
    found += faults
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        found += column_errors(column, f"{top}.additionalPrinterColumns[{index}]")
    return [*found, *selectable_errors(version, schema, f"{top}.selectableFields")]


def column_errors(column: Document, path: str) -> list[FieldError]:
    """``ValidateCustomResourceColumnDefinition``."""
    found = []
    if not column.get("name"):
        found.append(required(f"{path}.name"))
    kinds = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column.get("type"):
        found.append(required(f"{path}.type", kinds))
    elif column["type"] not in COLUMN_TYPES:
        found.append(invalid(f"{path}.type", column["type"], kinds))
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        why = f"must be one of {','.join(sorted(COLUMN_FORMATS))}"
        found.append(invalid(f"{path}.format", column["format"], why))
    if not column.get("jsonPath"):
        found.append(required(f"{path}.JSONPath"))
    else:
        try:
            parse_path(column["jsonPath"])
        except PathError as error:
            found.append(invalid(f"{path}.JSONPath", column["jsonPath"], str(error)))
    return found


def selectable_errors(version: Document, schema: Document, path: str) -> list[FieldError]:
    """``ValidateCustomResourceSelectableFields``."""
    found = []
    seen: set[str] = set()
    fields = version.get("selectableFields") or ()
    for index, entry in enumerate(fields):
        where = f"{path}[{index}].jsonPath"
        text = entry.get("jsonPath", "")
        if not text:
            found.append(required(where))
            continue
        target = schema_at(schema, text)
        if target is None:
            found.append(
                invalid(where, text, "is an invalid path: does not refer to a valid field")
            )
        elif text.startswith(".metadata"):
            found.append(invalid(where, text, "must not point to fields in metadata"))
        elif target.get("type") not in ("string", "boolean", "integer"):
            why = (
                "must point to a field of type string, boolean or integer. Enum string fields "
                "and strings with formats are allowed."
            )
            found.append(invalid(where, text, why))
        if text in seen:
            found.append(duplicate(where, text))
        seen.add(text)
    if len(seen) > MAX_SELECTABLE:
        found.append(too_many(path, len(seen), MAX_SELECTABLE))
    return found


def schema_at(schema: Document, path: str) -> Document | None:
    """The schema of ``.spec.a``."""
    if not path.startswith("."):
        return None
    node: Any = schema
    for part in path[1:].split("."):
        node = (node.get("properties") or {}).get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def definition_resource() -> Resource:
    """The resource of CRDs themselves."""
    strategy = DefinitionStrategy()
    return Resource(
        gv=strategy.gv,
        plural="customresourcedefinitions",
        singular="customresourcedefinition",
        kind="CustomResourceDefinition",
        namespaced=False,
        strategy=strategy,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources={"status": STATUS_VERBS},
    )
