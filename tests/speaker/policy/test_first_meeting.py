"""A speaker that has just started is ready when it has met its peers, or has waited long enough."""

from __future__ import annotations

from metallb_speaker.policy.first_meeting import FirstMeeting


def test_without_peers_there_is_nobody_to_wait_for() -> None:
    assert FirstMeeting(20.0).why_not_yet([], 0.0) is None


def test_it_waits_for_all_of_them() -> None:
    meeting = FirstMeeting(20.0)
    assert meeting.why_not_yet(["left", "right"], 5.0) == "no session yet with left, right"
    assert meeting.why_not_yet(["right"], 9.0) == "no session yet with right"
    assert meeting.why_not_yet([], 10.0) is None


def test_a_router_that_is_down_is_not_waited_for_for_ever() -> None:
    meeting = FirstMeeting(20.0)
    assert meeting.why_not_yet(["left"], 5.0)
    assert meeting.why_not_yet(["left"], 24.9)
    assert meeting.why_not_yet(["left"], 25.0) is None


def test_who_has_been_ready_stays_so() -> None:
    meeting = FirstMeeting(20.0)
    assert meeting.why_not_yet([], 0.0) is None
    assert meeting.why_not_yet(["left"], 1.0) is None
