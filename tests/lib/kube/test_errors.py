"""Errors: each answer of the server has its class, its words and its wish to be left alone."""

from __future__ import annotations

import pytest

from metallb.kube import errors


def _status(reason: str, **details: object) -> dict[str, object]:
    return {"kind": "Status", "reason": reason, "message": "words", "details": details}


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.ApiError),
        (401, "Unauthorized", errors.UnauthorizedError),
        (403, "Forbidden", errors.ForbiddenError),
        (404, "NotFound", errors.NotFoundError),
        (409, "Conflict", errors.ConflictError),
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (410, "Expired", errors.GoneError),
        (422, "Invalid", errors.InvalidError),
        (429, "TooManyRequests", errors.TooManyRequestsError),
        (500, "InternalError", errors.ServerError),
        (503, "ServiceUnavailable", errors.ServerError),
    ],
)
def test_an_answer_has_its_class(code: int, reason: str, kind: type[errors.ApiError]) -> None:
    error = errors.api_error(code, _status(reason))
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, "words")
    assert str(error) == f"{code} {reason}: words"


def test_the_wish_to_be_left_alone_is_read_from_the_body_or_the_header() -> None:
    error = errors.api_error(429, _status("TooManyRequests", retryAfterSeconds=3), "9")
    assert error.retry_after_seconds == 3.0
    assert errors.api_error(429, _status("TooManyRequests"), "9").retry_after_seconds == 9.0
    assert (
        errors.api_error(503, "away", "Fri, 31 Dec 1999 23:59:59 GMT").retry_after_seconds is None
    )
    assert errors.api_error(503, "away").retry_after_seconds is None


@pytest.mark.parametrize("body", ["a proxy's page", "", None, [1], {}])
def test_an_answer_that_is_no_status_is_told_all_the_same(body: object) -> None:
    error = errors.api_error(502, body)
    assert type(error) is errors.ServerError
    assert error.reason == "Unknown"
    assert error.message


def test_long_texts_are_cut_in_the_log_and_kept_in_the_message() -> None:
    error = errors.api_error(500, {"message": "x" * 5000})
    assert len(str(error)) < 300
    assert len(error.message) == 5000


def test_a_version_from_the_future_is_told_by_its_cause() -> None:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    assert errors.api_error(504, _status("Timeout", causes=causes)).is_version_too_large
    assert not errors.api_error(504, _status("Timeout")).is_version_too_large


def test_a_malformed_answer_is_the_servers_failure() -> None:
    error = errors.MalformedAnswerError("what")
    assert isinstance(error, errors.ServerError)
    assert str(error) == "500 MalformedAnswer: what"
