"""AdmissionReview (admission.k8s.io/v1): the question of the API server, and our answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_controller.admission.verdicts import judge

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

_WARNING_CHARACTERS = 256
"""What kube-apiserver passes on of a warning without cutting it."""


class ReviewError(ValueError):
    """What came is no AdmissionReview that can be answered; the text says why."""


def answer(review: Any) -> JsonObject:
    """Answer a review; raises ReviewError when there is nobody to answer to."""
    if not isinstance(review, dict) or review.get("apiVersion") != API_VERSION:
        raise ReviewError(f"not an {KIND} of {API_VERSION}")
    request = review.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise ReviewError("request.uid is missing")
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "response": {"uid": request["uid"], **_response(request)},
    }


def _response(request: JsonObject) -> JsonObject:
    value, before = request.get("object"), request.get("oldObject")
    if not isinstance(value, dict):  # a deletion: nothing to judge
        return {"allowed": True}
    verdict = judge(value, before if isinstance(before, dict) else None)
    response: dict[str, Any] = {"allowed": not verdict.errors}
    if verdict.errors:
        response["status"] = {
            "code": 422,
            "reason": "Invalid",
            "message": "; ".join(verdict.errors),
        }
    if verdict.warnings:
        response["warnings"] = [text[:_WARNING_CHARACTERS] for text in verdict.warnings]
    return response
