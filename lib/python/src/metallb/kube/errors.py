"""What can go wrong with a request to an API server.

    Exception
      ApiError            the server answered, and the answer is a refusal
        UnauthorizedError, ForbiddenError, NotFoundError           401, 403, 404
        ConflictError     409: stale resourceVersion or failed precondition
        AlreadyExistsError                                         409 of a create
        GoneError         410: resourceVersion or continue token too old
        InvalidError      422
        TooManyRequestsError                                       429, see `retry_after_seconds`
        ServerError       5xx
          MalformedAnswerError    an answer that is no object, or no Kubernetes object
      NotLeaderError      our own fence: the request was never sent

Transport errors (`aiohttp.ClientError`, `TimeoutError`, `OSError`) are left as they are: then
nobody knows whether the server did what was asked. `TRANSPORT_ERRORS` names them in one place.
"""

from __future__ import annotations

from typing import Any

import aiohttp

TRANSPORT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)

_TEXT_LIMIT = 256


class ApiError(Exception):
    """The server refused; `reason` is the Status object's CamelCase word."""

    def __init__(
        self, status: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{status} {reason}: {message[:_TEXT_LIMIT]}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the server wants to be left alone, if it said so."""
        value = self.details.get("retryAfterSeconds")
        return float(value) if isinstance(value, int | float) else None

    @property
    def is_version_too_large(self) -> bool:
        """Whether the resourceVersion asked for is newer than any that the server has."""
        causes = self.details.get("causes") or ()
        return any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)


class UnauthorizedError(ApiError):
    """401: the token is unknown or has run out."""


class ForbiddenError(ApiError):
    """403: known, but not allowed."""


class NotFoundError(ApiError):
    """404: no such object, or no such kind."""


class ConflictError(ApiError):
    """409: somebody changed the object, or a precondition failed."""


class AlreadyExistsError(ApiError):
    """409: an object of that name is there already."""


class GoneError(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class InvalidError(ApiError):
    """422: the object breaks a rule of its schema or of admission."""


class TooManyRequestsError(ApiError):
    """429: the server is busy; see `retry_after_seconds`."""


class ServerError(ApiError):
    """5xx: the server failed."""


class MalformedAnswerError(ServerError):
    """An answer that is not what this API gives: a proxy's page, a cut-off or foreign object."""

    def __init__(self, message: str) -> None:
        super().__init__(500, "MalformedAnswer", message)


class NotLeaderError(Exception):
    """A write was refused by our own fence: this process does not hold the lease (any more)."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def api_error(status: int, body: object, retry_after: str | None = None) -> ApiError:
    """Make the error for an answer; `body` is its decoded JSON or anything else that came."""
    answer = body if isinstance(body, dict) else {}
    reason = str(answer.get("reason") or "Unknown")
    message = str(answer.get("message") or body or "no message")
    details = dict(answer.get("details") or {})
    if retry_after is not None and retry_after.isdigit():
        details.setdefault("retryAfterSeconds", int(retry_after))
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    if status == 409 and reason == "AlreadyExists":
        kind = AlreadyExistsError
    return kind(status, reason, message, details)
