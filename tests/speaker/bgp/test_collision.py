"""Which of two connections is kept (RFC 4271 §6.8), from both ends of the same two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metallb_speaker.bgp.collision import Contestant, Verdict, decide, replaces_established
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.negotiation import Negotiated, negotiate, open_message
from support.bgp_pair import OUR_ASN, OUR_ID, THEIR_ASN, THEIR_ID, ours, theirs

PEER = negotiate(ours(), open_message(theirs(), is_restarting=False))
CONFIRMED = Contestant(State.OPEN_CONFIRM, True, PEER)
OTHER = Contestant(State.OPEN_CONFIRM, False, PEER)


def verdict(first: Contestant, second: Contestant) -> Verdict:
    return decide(first, second, router_id=OUR_ID, asn=OUR_ASN)


def test_nothing_is_decided_before_both_have_an_open() -> None:
    for state in State:
        if state not in (State.OPEN_CONFIRM, State.ESTABLISHED):
            early = Contestant(state, False, None)
            assert verdict(CONFIRMED, early) is Verdict.NEITHER
            assert verdict(early, CONFIRMED) is Verdict.NEITHER


@pytest.mark.parametrize("state", State)
def test_one_that_is_established_stays(state: State) -> None:
    up = Contestant(State.ESTABLISHED, True, PEER)
    assert verdict(up, Contestant(state, False, PEER)) is Verdict.SECOND
    if state is not State.ESTABLISHED:
        assert verdict(Contestant(state, True, PEER), up) is Verdict.FIRST


def keeps_dialled(my_id: int, my_asn: int, their_id: int, their_asn: int) -> bool:
    """Tell whether the connection that we dialled is kept; the order must not matter."""
    peer: Negotiated = replace(PEER, peer_router_id=their_id, peer_asn=their_asn)
    dialled = Contestant(State.OPEN_CONFIRM, True, peer)
    accepted = Contestant(State.OPEN_CONFIRM, False, peer)
    first = decide(dialled, accepted, router_id=my_id, asn=my_asn)
    second = decide(accepted, dialled, router_id=my_id, asn=my_asn)
    assert {first, second} == {Verdict.FIRST, Verdict.SECOND}
    return first is Verdict.SECOND


@pytest.mark.parametrize(
    ("mine", "theirs", "is_dialled_kept"),
    [
        # RFC 4271 §6.8: "the connection initiated by the BGP speaker with the higher-valued
        # BGP Identifier" stays; RFC 6286 §2.3: of equal ones that of the larger AS number
        ((2, OUR_ASN), (1, THEIR_ASN), True),
        ((1, OUR_ASN), (2, THEIR_ASN), False),
        ((0xFFFFFFFF, 1), (0x7FFFFFFF, 2), True),
        ((1, 64513), (1, 64512), True),
        ((1, 64512), (1, 64513), False),
        ((1, 65535), (1, 4_200_000_000), False),
    ],
)
def test_the_higher_identifier_keeps_what_it_dialled(
    mine: tuple[int, int], theirs: tuple[int, int], is_dialled_kept: bool
) -> None:
    assert keeps_dialled(*mine, *theirs) is is_dialled_kept
    assert keeps_dialled(*theirs, *mine) is not is_dialled_kept  # the other end agrees


def test_of_two_that_one_side_made_the_older_goes() -> None:
    assert verdict(OTHER, OTHER) is Verdict.FIRST
    assert verdict(CONFIRMED, CONFIRMED) is Verdict.FIRST


def test_a_restarting_peer_replaces_its_old_connection() -> None:
    """RFC 4724 §5."""
    assert replaces_established(PEER)
    assert not replaces_established(replace(PEER, peer_restart=None))
    assert THEIR_ID != OUR_ID
