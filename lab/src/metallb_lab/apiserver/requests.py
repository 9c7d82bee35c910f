"""A request as the rest of the server sees it: which resource, which verb, which options.

Parsing only: paths as in the real server's ``RequestInfo``, options with their validation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, unquote

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.errors import FieldError, forbidden, invalid, not_supported

if TYPE_CHECKING:
    from metallb_lab.apiserver.auth import User
    from metallb_lab.apiserver.registry import Registry
    from metallb_lab.apiserver.resources import Resource

FieldValidation = Literal["Ignore", "Warn", "Strict"]
NAMESPACE_SUBRESOURCES = ("status", "finalize")
MATCHES = ("Exact", "NotOlderThan")


@dataclass(frozen=True)
class Target:
    """What a path names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_target(path: str, registry: Registry) -> Target | None:
    """The target of ``/api/...`` or ``/apis/...``; None when no resource serves it."""
    parts = [unquote(p) for p in path.strip("/").split("/")]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    inside = rest[0] == "namespaces" and len(rest) >= 3
    if inside and not (len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        return None
    if namespace and not resource.namespaced:
        return None
    if resource.namespaced and name and not namespace:
        return None
    return Target(resource, namespace, name, subresource)


@dataclass
class Call:
    """One request on a resource."""

    target: Target
    verb: str
    user: User
    query: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def resource(self) -> Resource:
        """The resource."""
        return self.target.resource

    @property
    def dry_run(self) -> bool:
        """``dryRun=All``."""
        return self.query.get("dryRun", "") != ""

    @property
    def field_validation(self) -> FieldValidation:
        """What to do with fields that nobody knows; the default warns."""
        value = self.query.get("fieldValidation", "")
        return "Ignore" if value == "Ignore" else "Strict" if value == "Strict" else "Warn"

    def warn(self, text: str) -> None:
        """A warning for the client, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def integer(self, name: str) -> int | None:
        """A numeric option; the real server refuses others."""
        text = self.query.get(name)
        if not text:
            return None
        why = "invalid syntax"
        if re.fullmatch(r"[+-]?[0-9]+", text):
            if -(2**63) <= int(text) < 2**63:
                return int(text)
            why = "value out of range"
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": {why}')

    def version(self) -> int:
        """The resourceVersion that was asked for, 0 when none was; lists word their refusal."""
        text = self.query.get("resourceVersion", "")
        if text == "" or (text.isascii() and text.isdigit()):
            return int(text or 0)
        fault = invalid(
            "resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
        if self.verb in ("list", "deletecollection"):
            raise errors.bad_request(f"invalid resource version: {fault}")
        raise errors.ApiError(500, "", str(fault))


def parse_query(text: str) -> dict[str, str]:
    """The first value of each parameter."""
    if not text:
        return {}
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def is_true(query: dict[str, str], name: str) -> bool:
    """A boolean option: present and not false."""
    return name in query and query[name].lower() not in ("false", "0")


def check_write_options(call: Call, kind: str) -> None:
    """DryRun and fieldValidation hold what they may."""
    found: list[FieldError] = []
    if call.query.get("dryRun", "") not in ("", "All"):
        found.append(not_supported("dryRun", [call.query["dryRun"]], ["All"]))
    value = call.query.get("fieldValidation", "")
    if value not in ("", "Ignore", "Warn", "Strict"):
        found.append(not_supported("fieldValidation", value, ["", "Ignore", "Strict", "Warn"]))
    if found:
        raise errors.invalid_object(kind, "meta.k8s.io", "", found)


def check_list_options(call: Call, *, watch: bool) -> None:
    """``ValidateListOptions``: which versions, matches and pages go together."""
    query = call.query
    for name in ("limit", "timeoutSeconds"):
        call.integer(name)
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    found: list[FieldError] = []
    initial = "sendInitialEvents" in query
    if watch:
        found += watch_option_errors(match, initial)
    elif initial:
        found.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if not watch and match:
        if not version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            found.append(forbidden("resourceVersionMatch", why))
        if query.get("continue"):
            why = "resourceVersionMatch is forbidden when continue is provided"
            found.append(forbidden("resourceVersionMatch", why))
        if match not in MATCHES:
            found.append(not_supported("resourceVersionMatch", match, [*MATCHES, ""]))
        if match == "Exact" and version == "0":
            why = 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
            found.append(forbidden("resourceVersionMatch", why))
    if found:
        raise errors.invalid_object("ListOptions", "meta.k8s.io", "", found)
    call.version()


def watch_option_errors(match: str, initial: bool) -> list[FieldError]:
    """A watch may be told to begin with what there is."""
    if not initial:
        if not match:
            return []
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        return [forbidden("resourceVersionMatch", why)]
    if match == "NotOlderThan":
        return []
    if not match:
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        return [forbidden("resourceVersionMatch", why)]
    return [not_supported("resourceVersionMatch", match, ["NotOlderThan"])]
