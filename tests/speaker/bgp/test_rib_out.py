"""Adj-RIB-Out: only what differs is told, whatever happens in between."""

from __future__ import annotations

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import Afi
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.rib_out import Batch, RibOut

A, B = Prefix.of("192.0.2.1/32"), Prefix.of("192.0.2.2/32")
SIX = Prefix.of("2001:db8::1/128")
PLAIN, PREFERRED = RouteAttributes(), RouteAttributes(local_pref=200)
MOST = 1000


def live(*prefixes: Prefix) -> RibOut:
    """A RIB whose peer has these already."""
    rib = RibOut(dict.fromkeys(prefixes, PLAIN))
    rib.begin()
    rib.take(MOST)
    return rib


def test_a_new_peer_is_told_everything() -> None:
    rib = RibOut({A: PLAIN, B: PREFERRED, SIX: PLAIN})
    rib.begin()
    assert rib.unsent == 3
    assert rib.take(MOST) == Batch(
        {},
        {
            (Afi.IPV4, PLAIN): [A.nlri],
            (Afi.IPV4, PREFERRED): [B.nlri],
            (Afi.IPV6, PLAIN): [SIX.nlri],
        },
    )
    assert rib.unsent == 0
    assert rib.take(MOST) == Batch({}, {})
    assert len(rib) == 3


def test_before_there_is_a_peer_nothing_is_to_be_told() -> None:
    rib = RibOut()
    rib.change({A: PLAIN})
    assert rib.unsent == 0
    assert rib.wanted == {A: PLAIN}


def test_alike_attributes_share_a_list_even_as_other_objects() -> None:
    rib = RibOut({A: RouteAttributes(med=1), B: RouteAttributes(med=1)})
    rib.begin()
    assert rib.take(MOST).announced == {(Afi.IPV4, RouteAttributes(med=1)): [A.nlri, B.nlri]}


def test_only_changes_are_told() -> None:
    rib = live(A, B)
    rib.change({A: PREFERRED, B: PLAIN})
    assert rib.take(MOST) == Batch({}, {(Afi.IPV4, PREFERRED): [A.nlri]})


def test_a_withdrawal_is_told_once() -> None:
    rib = live(A, SIX)
    rib.change({A: None, SIX: None, B: None})
    assert rib.take(MOST) == Batch({Afi.IPV4: [A.nlri], Afi.IPV6: [SIX.nlri]}, {})
    rib.change({A: None})
    assert rib.unsent == 0


def test_what_changes_back_before_it_is_told_is_not_told() -> None:
    rib = live(A)
    rib.change({A: PREFERRED, B: PLAIN})
    rib.change({A: PLAIN, B: None})
    assert rib.unsent == 0


def test_what_changes_twice_is_told_once_as_it_is_last() -> None:
    rib = live(A)
    rib.change({A: PREFERRED})
    rib.change({A: None})
    assert rib.take(MOST) == Batch({Afi.IPV4: [A.nlri]}, {})


def test_all_routes_can_be_replaced() -> None:
    rib = live(A, B)
    rib.replace({B: PLAIN, SIX: PLAIN})
    assert rib.take(MOST) == Batch({Afi.IPV4: [A.nlri]}, {(Afi.IPV6, PLAIN): [SIX.nlri]})
    assert rib.wanted == {B: PLAIN, SIX: PLAIN}


def test_a_batch_is_no_larger_than_wanted() -> None:
    rib = RibOut({A: PLAIN, B: PLAIN, SIX: PLAIN})
    rib.begin()
    assert rib.take(2) == Batch({}, {(Afi.IPV4, PLAIN): [A.nlri, B.nlri]})
    assert rib.take(2) == Batch({}, {(Afi.IPV6, PLAIN): [SIX.nlri]})


def test_a_family_can_be_told_again() -> None:
    rib = live(A, SIX)
    rib.change({B: PLAIN})
    rib.repeat([Afi.IPV4])
    assert rib.take(MOST) == Batch({}, {(Afi.IPV4, PLAIN): [B.nlri, A.nlri]})


def test_what_is_to_be_told_again_and_is_withdrawn_is_withdrawn() -> None:
    rib = live(A)
    rib.repeat([Afi.IPV4])
    rib.change({A: None})
    assert rib.take(MOST) == Batch({Afi.IPV4: [A.nlri]}, {})


def test_the_next_peer_is_told_everything_again() -> None:
    rib = live(A)
    rib.change({A: PREFERRED})
    rib.end()
    assert rib.unsent == 0
    rib.change({B: PLAIN})
    rib.begin()
    assert rib.unsent == 2


def test_what_the_peer_was_told_can_be_said_to_somebody_else() -> None:
    rib = live(A, SIX)
    rib.change({B: PLAIN, A: PREFERRED})
    assert rib.said() == Batch({}, {(Afi.IPV4, PREFERRED): [A.nlri], (Afi.IPV6, PLAIN): [SIX.nlri]})
    rib.repeat([Afi.IPV6])
    assert SIX.nlri in rib.said().announced[Afi.IPV6, PLAIN], "it has it, and hears it again"
    assert rib.unsent == 3, "nothing counts as told by that"
