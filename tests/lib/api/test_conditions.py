from __future__ import annotations

from metallb.api.conditions import Condition, read_conditions, stamped
from metallb.api.fields import Fields

AT = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"


def test_a_condition_is_written_as_kubernetes_writes_it() -> None:
    made = Condition("Ready", True, "Serving", "all is well", AT, 3)
    assert made.to_object() == {
        "type": "Ready",
        "status": "True",
        "reason": "Serving",
        "message": "all is well",
        "lastTransitionTime": AT,
        "observedGeneration": 3,
    }
    assert Condition("Ready", False, "No").to_object()["lastTransitionTime"] is None
    assert "observedGeneration" not in Condition("Ready", False, "No").to_object()


def test_only_wanted_types_are_read() -> None:
    status = Fields(
        {
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "R", "lastTransitionTime": AT},
                {"type": "Foreign", "status": "True"},
            ]
        }
    )
    assert read_conditions(status, ["Ready"]) == {"Ready": Condition("Ready", True, "R", "", AT)}


def test_the_transition_time_changes_with_the_status_only() -> None:
    present = {"Ready": Condition("Ready", True, "R", "", AT)}
    assert stamped(Condition("Ready", True, "Other"), present, LATER).changed_at == AT
    assert stamped(Condition("Ready", False, "R"), present, LATER).changed_at == LATER
    assert stamped(Condition("New", True, "R"), present, LATER).changed_at == LATER
    untimed = {"Ready": Condition("Ready", True, "R")}
    assert stamped(Condition("Ready", True, "R"), untimed, LATER).changed_at == LATER


def test_conditions_that_differ_in_time_only_say_the_same() -> None:
    one = Condition("Ready", True, "R", "m", AT)
    assert one.says_the_same_as(Condition("Ready", True, "R", "m", LATER))
    assert not one.says_the_same_as(Condition("Ready", True, "R", "other", AT))
    assert not one.says_the_same_as(None)
