"""ObjectMeta: what the server fills in, what it keeps from a client's hands, and its validation.

Follows ``rest.BeforeCreate``/``BeforeUpdate`` and apimachinery's ``ValidateObjectMeta``.
Functions that take ``new`` may change it: it is the request's own copy. What was stored is only
read.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.selectors import (
    DNS_SUBDOMAIN,
    label_value_fault,
    qualified_name_fault,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.errors import FieldError

ANNOTATIONS_LIMIT = 256 * 1024
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
GENERATED_LENGTH = 5
MAX_GENERATE_NAME = 63 - GENERATED_LENGTH
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_1123_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


# ---------------------------------------------------------------- names


def subdomain(name: str) -> str | None:
    """Most kinds' names."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    return None if DNS_SUBDOMAIN.fullmatch(name) else SUBDOMAIN_RULE


def label_1123(name: str) -> str | None:
    """Namespaces' names."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    return None if DNS_1123.fullmatch(name) else LABEL_1123_RULE


def label_1035(name: str) -> str | None:
    """Services' names."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    return None if DNS_1035.fullmatch(name) else LABEL_1035_RULE


def path_segment(name: str) -> str | None:
    """RBAC's names: anything that can stand in a path."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    for bad in "/%":
        if bad in name:
            return f"may not contain '{bad}'"
    return None


def generated(prefix: str) -> str:
    """``generateName`` and five random characters."""
    return prefix[:MAX_GENERATE_NAME] + "".join(
        random.choice(NAME_ALPHABET) for _ in range(GENERATED_LENGTH)
    )


def new_uid() -> str:
    """A version 4 UUID, without asking the kernel for each."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    parts = (digits[:8], digits[8:12], "4" + digits[13:16], variant + digits[17:20], digits[20:])
    return "-".join(parts)


# ---------------------------------------------------------------- create and update


def prepare_create(new: Document, namespace: str, now: str) -> None:
    """Fills what only the server may write."""
    metadata = new.setdefault("metadata", {})
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    for owned in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
        metadata.pop(owned, None)
    metadata.pop("namespace", None)
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = generated(metadata["generateName"])
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = now
    tidy(metadata)


def prepare_update(new: Document, old: Document, namespace: str) -> None:
    """Keeps what a client may not change, or lets validation see that it tried."""
    metadata, before = new["metadata"], old["metadata"]
    if (metadata.get("namespace") or namespace) != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata.pop("selfLink", None)
    metadata.pop("managedFields", None)
    if namespace:
        metadata["namespace"] = namespace
    keep(metadata, before, "generation")
    metadata["uid"] = metadata.get("uid") or before["uid"]
    keep(metadata, before, "creationTimestamp")
    if "deletionTimestamp" in before:
        metadata["deletionTimestamp"] = before["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in before:
        metadata.setdefault("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"])
    tidy(metadata)


def keep(metadata: Document, before: Document, name: str) -> None:
    """The stored value of a field, or its absence."""
    if name in before:
        metadata[name] = before[name]
    else:
        metadata.pop(name, None)


def tidy(metadata: Document) -> None:
    """Leaves out what Go would not write."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences", "generateName"):
        if name in metadata and not metadata[name]:
            del metadata[name]


# ---------------------------------------------------------------- validation


def validate_create(new: Document, name_fault: Callable[[str], str | None]) -> list[FieldError]:
    """ValidateObjectMeta."""
    metadata = new["metadata"]
    found = []
    if prefix := metadata.get("generateName"):
        trimmed = prefix[:-1] + "a" if prefix.endswith(("-", ".")) else prefix
        if fault := name_fault(trimmed):
            found.append(errors.invalid("metadata.generateName", prefix, fault))
    name = metadata.get("name", "")
    if not name:
        found.append(errors.required("metadata.name", "name or generateName is required"))
    elif fault := name_fault(name) or path_segment(name):
        found.append(errors.invalid("metadata.name", name, fault))
    return [*found, *validate_common(metadata)]


def validate_update(new: Document, old: Document) -> list[FieldError]:
    """ValidateObjectMetaUpdate."""
    metadata, before = new["metadata"], old["metadata"]
    found = []
    if "deletionTimestamp" in before:
        added = set(metadata.get("finalizers", ())) - set(before.get("finalizers", ()))
        if added:
            names = ", ".join(f'"{name}"' for name in sorted(added))
            why = "no new finalizers can be added if the object is being deleted, found new"
            found.append(
                errors.forbidden("metadata.finalizers", f"{why} finalizers []string{{{names}}}")
            )
    fixed = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
    found += [
        errors.invalid(f"metadata.{name}", metadata.get(name), "field is immutable")
        for name in fixed
        if metadata.get(name) != before.get(name)
    ]
    return [*found, *validate_common(metadata)]


def validate_common(metadata: Mapping[str, Any]) -> list[FieldError]:
    """Labels, annotations, finalizers and owners, where there are any."""
    found = []
    for key, value in metadata.get("labels", {}).items():
        if fault := qualified_name_fault(key):
            found.append(errors.invalid("metadata.labels", key, fault))
        if fault := label_value_fault(value):
            found.append(errors.invalid("metadata.labels", value, fault))
    found += validate_annotations(metadata.get("annotations", {}))
    for finalizer in metadata.get("finalizers", ()):
        if fault := qualified_name_fault(finalizer):
            found.append(errors.invalid("metadata.finalizers", finalizer, fault))
    found += validate_owners(metadata.get("ownerReferences", ()))
    return found


def unqualified_finalizers(metadata: Mapping[str, Any]) -> list[FieldError]:
    """Finalizers without a domain that are none of the three that Kubernetes has itself."""
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        errors.invalid(f"metadata.finalizers[{index}]", name, why)
        for index, name in enumerate(metadata.get("finalizers", ()))
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def validate_annotations(annotations: Mapping[str, str]) -> list[FieldError]:
    """Keys, and the size of all together."""
    found = []
    size = 0
    for key, value in annotations.items():
        size += len(key.encode()) + len(value.encode())
        if fault := qualified_name_fault(key.lower()):
            found.append(errors.invalid("metadata.annotations", key, fault))
    if size > ANNOTATIONS_LIMIT:
        found.append(errors.too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return found


def validate_owners(owners: Any) -> list[FieldError]:
    """Owner references are complete, and at most one is the controller."""
    found = []
    controllers = 0
    field = "metadata.ownerReferences"
    for owner in owners:
        if not owner.get("apiVersion"):
            why = "version must not be empty"
            found.append(errors.invalid(f"{field}.apiVersion", "", why))
        found += [
            errors.invalid(f"{field}.{name}", "", "must not be empty")
            for name in ("kind", "name", "uid")
            if not owner.get(name)
        ]
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        why = "Only one reference can have Controller set to true."
        found.append(errors.invalid("metadata.ownerReferences", owners, why))
    return found
