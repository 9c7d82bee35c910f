"""Tables line up, checks count, colours are for terminals only."""

from __future__ import annotations

import io

from metallb_lab.demo.screen import Screen, lay_out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert lay_out(("VIP", "Owner"), [("10.0.0.1", "n1"), ("::1", "node-12")]) == [
        "VIP       Owner",
        "10.0.0.1  n1",
        "::1       node-12",
    ]


def test_an_empty_table_is_its_head() -> None:
    assert lay_out(("VIP", "Owner"), []) == ["VIP  Owner"]


def test_what_did_not_hold_is_kept_for_the_end() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.check(True, "one")
    screen.check(False, "two")
    assert screen.failures == ["two"]
    assert out.getvalue() == "  holds    one\n  FAILED   two\n"


def test_a_file_gets_no_colours() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.heading("part")
    screen.hint("try this")
    screen.table(("A",), [("b",)])
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_colours_that_end_with_the_line() -> None:
    out = Terminal()
    Screen(out).check(False, "no")
    assert out.getvalue() == "\x1b[31m  FAILED   no\x1b[0m\n"


def test_a_step_tells_the_time() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.step("done")
    assert out.getvalue().endswith(" s  done\n")
    assert screen.seconds >= 0
