"""ConversionReview (apiextensions.k8s.io/v1): objects in, the same in another version out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb.domain.peer_conversion import ConversionError, convert_peer
from metallb_controller.admission.questions import ReviewError, read_request

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

API_VERSION = "apiextensions.k8s.io/v1"
KIND = "ConversionReview"


def convert(review: Any) -> JsonObject:
    """Answer a review: all objects, or why one cannot be converted; raises ReviewError."""
    request = read_request(review, API_VERSION, KIND)
    version, values = request.get("desiredAPIVersion"), request.get("objects")
    if not isinstance(version, str) or not isinstance(values, list):
        raise ReviewError("request.desiredAPIVersion and request.objects are wanted")
    try:
        converted = [convert_peer(value, version) for value in _objects(values)]
        result = {"status": "Success"}
    except ConversionError as error:
        converted, result = [], {"status": "Failed", "message": str(error)}
    response = {"uid": request["uid"], "convertedObjects": converted, "result": result}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _objects(values: list[Any]) -> list[JsonObject]:
    if not all(isinstance(value, dict) for value in values):
        raise ReviewError("request.objects has something that is no object")
    return values
