"""ConversionReviews: all objects, or the reason why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from metallb_controller.admission.conversions import convert
from metallb_controller.admission.questions import ReviewError


def _peer(version: str, name: str = "r") -> dict[str, Any]:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": "BGPPeer",
        "metadata": {"name": name},
        "spec": {"myASN": 64512},
    }


def _review(version: Any, objects: Any) -> dict[str, Any]:
    request = {"uid": "u-1", "desiredAPIVersion": version, "objects": objects}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def test_all_objects_come_back_in_the_version_that_is_wanted() -> None:
    found = convert(_review("metallb.io/v1beta1", [_peer("v1beta2", "a"), _peer("v1beta2", "b")]))
    assert found == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": {
            "uid": "u-1",
            "convertedObjects": [_peer("v1beta1", "a"), _peer("v1beta1", "b")],
            "result": {"status": "Success"},
        },
    }


def test_one_that_cannot_be_converted_fails_the_review_and_is_told() -> None:
    bad = {**_peer("v1beta2"), "kind": "Community"}
    response = convert(_review("metallb.io/v1beta1", [_peer("v1beta2"), bad]))["response"]
    assert response["convertedObjects"] == []
    assert response["result"]["status"] == "Failed"
    assert "Community" in response["result"]["message"]


@pytest.mark.parametrize(
    ("version", "objects"), [(None, []), (7, []), ("metallb.io/v1beta1", None),
                             ("metallb.io/v1beta1", ["x"])]
)  # fmt: skip
def test_what_is_no_review_is_an_error(version: Any, objects: Any) -> None:
    with pytest.raises(ReviewError):
        convert(_review(version, objects))
    with pytest.raises(ReviewError):
        convert({"request": {"uid": "u-1"}})
