"""Every difference between the two servers that the suite allows: one table, with reasons.

A test that meets one asks ``server.expect(DIFFERENCE)``. ``test_zz_differences.py`` checks that
each row is used, so that a row which nobody needs any more has to go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Difference:
    """What each server does."""

    embedded: Any
    real: Any
    reason: str
    used: bool = field(default=False, compare=False)


APPLY = Difference(415, 201, "server-side apply and managedFields are not done, and said so")
KUBECTL_APPLY = Difference(
    "error: Server-side apply not available on the server: (the embedded API server does not do",
    "service/web serverside-applied",
    "the same, as kubectl tells it",
)
YAML_BODY = Difference(415, 201, "JSON is the only format; YAML and protobuf bodies are refused")
PROTOBUF_ACCEPTED = Difference(
    "application/json",
    "application/vnd.kubernetes.protobuf",
    "JSON is the only format; a client that also accepts JSON gets it",
)
PROTOBUF_ONLY = Difference(406, 200, "JSON is the only format")
GIT_VERSION = Difference("v1.35.4+lab", "v1.35.4", "nobody shall take it for the real one")
UNKNOWN_GROUP = Difference(
    "application/json",
    "text/plain",
    "a path of no group is a Status here, the mux's plain text there",
)
RBAC = Difference(200, 403, "roles are stored and validated, not enforced")
NO_TOKEN = Difference(401, 403, "nobody is anonymous where tokens are configured")
SCALE = Difference(501, 200, "subresources scale, token, log, exec, ... are not served")
KUBECTL_PROTOBUF = Difference(
    "error: failed to create configmap: the body of the request was in an unknown format",
    "configmap/c created",
    "kubectl create KIND (not -f) sends protobuf; JSON is the only format",
)
CEL_TYPES = Difference(201, 422, "CEL rules are not type-checked; a wrong type fails at use")
CEL_COST = Difference(201, 422, "the cost of CEL rules is neither estimated nor limited")
CEL_ERRORS = Difference(422, 201, "an error in one item of all() or exists() is final")
CEL_FUNCTIONS = Difference(422, 201, "CEL functions that are not done: refused at creation")
CONVERSION_REVIEWS = Difference(
    501, 201, "conversion webhooks that understand only v1beta1 reviews"
)
FORMATS = Difference(501, 201, "formats that nobody here uses are refused, not ignored")
MATCH_CONDITIONS = Difference(501, 201, "matchConditions of webhooks are not done, and said so")
REVIEW_VERSIONS = Difference(501, 201, "webhooks that understand only v1beta1 reviews")
IP_ADDRESSES = Difference(404, 200, "clusterIPs are kept in memory, not as IPAddress objects")
POD_WARNINGS = Difference(0, 1, "nobody warns of a pod that is valid but odd")
POD_RULES = Difference(201, 422, "of a pod's many rules only the first are checked")

ALL = [value for value in list(globals().values()) if isinstance(value, Difference)]
