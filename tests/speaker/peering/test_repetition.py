"""A line that comes again and again is said ever more seldom."""

from __future__ import annotations

from metallb_speaker.peering.repetition import Repetition


def test_a_line_in_a_row_is_said_at_powers_of_two() -> None:
    lines = Repetition()
    said = [line for line in (lines.take("cut") for _ in range(1000)) if line is not None]
    assert said[:3] == ["cut", "cut (2 times in a row)", "cut (4 times in a row)"]
    assert said[-1] == "cut (512 times in a row)"
    assert len(said) == 10


def test_another_line_is_said_and_begins_the_row_anew() -> None:
    lines = Repetition()
    assert [lines.take(text) for text in ("a", "b", "a", "a", "a")] == [
        "a",
        "b",
        "a",
        "a (2 times in a row)",
        None,
    ]
