"""AdmissionReview (admission.k8s.io/v1), as far as a judgement needs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject


class ReviewError(ValueError):
    """What came is no review that can be answered; the text says why."""


class Operation(StrEnum):
    """What is about to be done."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the object as it would be (None: gone), and as it is (None: new)."""

    uid: str
    operation: Operation
    kind: str
    value: JsonObject | None
    before: JsonObject | None

    @property
    def is_harmless(self) -> bool:
        """Whether nothing that we judge changes: the spec is as it was, or the object is going.

        So a label or a finalizer can be changed on an object that is wrong already, and nobody is
        kept from deleting it.
        """
        if self.value is None or self.before is None:
            return False
        meta = self.value.get("metadata")
        is_going = isinstance(meta, dict) and meta.get("deletionTimestamp") is not None
        return is_going or self.before.get("spec") == self.value.get("spec")


def read_request(review: Any, api_version: str, kind: str) -> JsonObject:
    """Give the request of a review; raises ReviewError when there is nobody to answer to."""
    if not isinstance(review, dict) or review.get("apiVersion") != api_version:
        raise ReviewError(f"this is no {kind} of {api_version}")
    request = review.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise ReviewError("request.uid is missing")
    return request


def read_question(request: JsonObject) -> Question:
    """Read the request of an AdmissionReview; what is none of our operations is no change."""
    value, before = _object(request.get("object")), _object(request.get("oldObject"))
    operation = Operation.UPDATE if before is not None else Operation.CREATE
    if value is None:
        operation = Operation.DELETE
    kind = str((value or before or {}).get("kind", ""))
    return Question(str(request["uid"]), operation, kind, value, before)


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None
