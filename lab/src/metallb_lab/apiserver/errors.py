"""Kubernetes Status errors: what the API server answers when it will not do a thing.

Messages follow apimachinery's ``errors`` and ``field`` packages word for word where clients or
people read them; codes, reasons, details and causes always.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

CAUSE_TEXT = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "InternalError": "Internal error",
    "FieldValueTypeInvalid": "Invalid value",
}
WITHOUT_VALUE = frozenset(
    {"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"}
)


PROTOBUF = "application/vnd.kubernetes.protobuf"
PROTOBUF_ADVICE = (
    "the embedded API server speaks no protobuf; with kubectl, add --dry-run=client -o yaml "
    "and pipe that into kubectl apply -f -"
)


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field."""

    cause: str
    field: str
    value: Any = None
    detail: str = ""
    omit_value: bool = False

    def body(self) -> str:
        """The message without the field's name."""
        text = CAUSE_TEXT[self.cause]
        if self.cause not in WITHOUT_VALUE and not self.omit_value:
            text += f": {quoted(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"

    def under(self, prefix: str) -> FieldError:
        """The same error seen from the object that holds this one."""
        if not self.field:
            return replace(self, field=prefix)
        joiner = "" if self.field.startswith("[") or not prefix else "."
        return replace(self, field=f"{prefix}{joiner}{self.field}")


def quoted(value: Any) -> str:
    """A bad value as Go prints it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def required(field: str, detail: str = "") -> FieldError:
    """A value must be given."""
    return FieldError("FieldValueRequired", field, "", detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """A value that breaks a rule."""
    return FieldError("FieldValueInvalid", field, value, detail)


def forbidden(field: str, detail: str) -> FieldError:
    """A value that may not be given here or now."""
    return FieldError("FieldValueForbidden", field, "", detail)


def duplicate(field: str, value: Any) -> FieldError:
    """A value that must be unique and is not."""
    return FieldError("FieldValueDuplicate", field, value)


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    """A value of the wrong JSON type."""
    return FieldError("FieldValueTypeInvalid", field, value, detail)


def not_supported(field: str, value: Any, supported: list[str]) -> FieldError:
    """A value outside an enumeration."""
    names = ", ".join(quoted(s) for s in supported)
    detail = f"supported values: {names}" if supported else ""
    return FieldError("FieldValueNotSupported", field, value, detail)


def too_long(field: str, limit: int) -> FieldError:
    """A string or map with too many bytes."""
    unit = "byte" if limit == 1 else "bytes"
    return FieldError("FieldValueTooLong", field, "", f"may not be more than {limit} {unit}")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    """A list with too many items."""
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", field, actual, f"must have at most {limit} {unit}")


class ApiError(Exception):
    """An answer that is a Status; raised anywhere below the HTTP handler."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        continue_token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.continue_token = continue_token
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason or None,
            "details": self.details,
            "code": self.code,
        }
        return {key: value for key, value in body.items() if value is not None}


def named(name: str, group: str, kind: str) -> dict[str, Any]:
    """Details of a Status; Go leaves empty ones out."""
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def qualified(resource: str, group: str) -> str:
    """``deployments.apps``; core resources stand alone."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, group: str, name: str) -> ApiError:
    """404 for an object."""
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, named(name, group, resource))


def path_not_found() -> ApiError:
    """404 for a path that no resource serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: str, group: str, name: str) -> ApiError:
    """409 on create."""
    message = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, named(name, group, resource))


def conflict(resource: str, group: str, name: str, why: str) -> ApiError:
    """409 on a write whose precondition no longer holds."""
    what = f'{qualified(resource, group)} "{name}"'
    message = f"Operation cannot be fulfilled on {what}: {why}"
    return ApiError(409, "Conflict", message, named(name, group, resource))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def invalid_object(kind: str, group: str, name: str, errors: list[FieldError]) -> ApiError:
    """422 with a cause for each field."""
    texts = [str(e) for e in errors]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {joined}'
    causes = [{"reason": e.cause, "message": e.body(), "field": e.field} for e in errors]
    return ApiError(422, "Invalid", message, named(name, group, kind) | {"causes": causes})


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401 without a valid token."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden_request(resource: str, group: str, name: str, why: str) -> ApiError:
    """403 from admission."""
    what = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", named(name, group, resource))


def method_not_allowed() -> ApiError:
    """405 for a verb that a resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable(accepted: list[str]) -> ApiError:
    """406 for an Accept header with nothing that we speak."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: list[str], found: str) -> ApiError:
    """415 for a body that we do not read."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {', '.join(accepted)}"
    )
    if found == PROTOBUF:
        message += f" ({PROTOBUF_ADVICE})"
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str, continue_token: str | None = None) -> ApiError:
    """410: the history that was asked for is gone."""
    return ApiError(410, "Expired", message, continue_token=continue_token)


def too_large_version(wanted: int, current: int) -> ApiError:
    """504: a resourceVersion from the future."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, "Timeout", message, details, headers={"Retry-After": "1"})


def internal(message: str) -> ApiError:
    """500, when another party (a webhook) failed us."""
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, {"causes": [{"message": message}]})


def not_implemented(what: str) -> ApiError:
    """501: the real server does it, this one does not and says so."""
    return ApiError(501, "NotImplemented", f"the embedded API server does not do this: {what}")
