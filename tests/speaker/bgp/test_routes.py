"""Routes over a session: told once, only changes after that, again on request, and their ends."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.events import NoNextHop
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import (
    IPV4_UNICAST,
    IPV6_UNICAST,
    Afi,
    AttributeCode,
    Family,
    MessageType,
    Role,
)
from metallb_speaker.bgp.messages import (
    KEEPALIVE,
    RawUpdate,
    RouteRefresh,
    encode_open,
    encode_route_refresh,
    frame,
)
from metallb_speaker.bgp.negotiation import open_message
from metallb_speaker.bgp.packing import Encoder
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.session import Session
from support.bgp_pair import ENDS, Side, ours, session, theirs
from support.bgp_view import View

if TYPE_CHECKING:
    from metallb_speaker.bgp.config import SessionConfig
    from metallb_speaker.bgp.next_hops import Endpoints

A, B, C = (Prefix.of(f"198.51.100.{last}/32") for last in (1, 2, 3))
SIX = Prefix.of("2001:db8::1/128")
PLAIN, PREFERRED = RouteAttributes(), RouteAttributes(med=5)
DUAL = replace(ENDS, ipv6=IPv6Address("2001:db8::2"))


def established(
    config: SessionConfig | None = None,
    peer: SessionConfig | None = None,
    ends: Endpoints = DUAL,
    routes: dict[Prefix, RouteAttributes] | None = None,
    **settings: Any,
) -> tuple[Session, View]:
    """A session that is up, and the view of a peer that has heard all so far."""
    made = session(config or ours())
    made.set_routes(routes or {})
    for name, value in settings.items():
        setattr(made.outbound, name, value)
    made.start(0.0)
    made.connection_made(ends, 0.0, is_dialled=True)
    made.data_to_send()
    made.receive_data(
        encode_open(open_message(peer or theirs(), is_restarting=False)) + KEEPALIVE, 0.0
    )
    assert made.state is State.ESTABLISHED
    view = View(made)
    view.hear()
    return made, view


def test_a_new_peer_hears_all_routes_and_then_their_end() -> None:
    _, view = established(routes={A: PLAIN, B: PREFERRED, SIX: PLAIN})
    assert set(view.routes) == {A, B, SIX}
    assert view.ends == [IPV4_UNICAST, IPV6_UNICAST]
    assert isinstance(view.messages[-1], RawUpdate)


def test_a_peer_without_graceful_restart_hears_no_end() -> None:
    """RFC 4724 §2: the marker is for speakers that know it."""
    _, view = established(ours(graceful_restart_seconds=None), routes={A: PLAIN})
    assert view.ends == []


def test_the_end_waits_until_the_routes_are_complete() -> None:
    made, view = established(routes={A: PLAIN}, is_complete=False)
    assert set(view.routes) == {A}
    assert view.ends == []
    made.change_routes({B: PLAIN})
    made.outbound.is_complete = True
    view.hear()
    assert set(view.routes) == {A, B}
    assert view.ends == [IPV4_UNICAST, IPV6_UNICAST]


def test_only_changes_are_sent() -> None:
    made, view = established(routes={A: PLAIN, B: PLAIN})
    sent = made.counters.sent[MessageType.UPDATE]
    made.change_routes({A: PLAIN, B: PREFERRED, C: None})
    view.hear()
    assert made.counters.sent[MessageType.UPDATE] == sent + 1
    made.change_routes({A: None})
    view.hear()
    assert set(view.routes) == {B}
    assert made.data_to_send() == b""


def test_what_was_not_written_yet_is_merged() -> None:
    made, view = established(routes={A: PLAIN})
    for med in range(10):
        made.change_routes({A: RouteAttributes(med=med), B: PLAIN})
        made.change_routes({B: None})
    view.heard = 0
    view.hear()
    assert view.heard == 1
    assert set(view.routes) == {A}


def test_a_route_refresh_is_answered_by_the_family_between_marks() -> None:
    """RFC 2918 §4, RFC 7313 §4.1."""
    made, view = established(routes={A: PLAIN, SIX: PLAIN})
    view.forget()
    made.receive_data(encode_route_refresh(RouteRefresh(IPV4_UNICAST)), 1.0)
    view.hear()
    assert set(view.routes) == {A}
    marks = [message for message in view.messages if isinstance(message, RouteRefresh)]
    assert marks == [RouteRefresh(IPV4_UNICAST, 1), RouteRefresh(IPV4_UNICAST, 2)]
    assert view.messages[0] == marks[0]
    assert view.messages[-1] == marks[1]
    assert made.counters.sent[MessageType.ROUTE_REFRESH] == 2


def test_a_refresh_asked_for_twice_is_answered_twice() -> None:
    made, view = established(routes={A: PLAIN})
    view.forget()
    ask = encode_route_refresh(RouteRefresh(IPV4_UNICAST))
    made.receive_data(ask, 1.0)
    view.hear_once()
    made.receive_data(ask, 1.0)
    view.hear()
    marks = [item.subtype for item in view.messages if isinstance(item, RouteRefresh)]
    assert marks == [1, 2, 1, 2]


@pytest.mark.parametrize(
    "ask",
    [
        RouteRefresh(Family(25, 70)),
        RouteRefresh(Family(Afi.IPV4, 2)),
        RouteRefresh(IPV4_UNICAST, 1),
        RouteRefresh(IPV4_UNICAST, 2),
        RouteRefresh(IPV4_UNICAST, 9),
    ],
)
def test_a_family_that_is_not_ours_and_marks_of_the_peer_are_passed_over(ask: RouteRefresh) -> None:
    made, view = established(routes={A: PLAIN})
    view.forget()
    made.receive_data(encode_route_refresh(ask), 1.0)
    view.hear()
    assert view.messages == []
    assert made.state is State.ESTABLISHED


def test_without_the_enhanced_kind_there_are_no_marks() -> None:
    made = session(ours())
    made.set_routes({A: PLAIN})
    made.start(0.0)
    made.connection_made(DUAL, 0.0, is_dialled=True)
    made.data_to_send()
    message = open_message(theirs(), is_restarting=False)
    plain = replace(
        message,
        capabilities=tuple(
            item for item in message.capabilities if type(item).__name__ != "EnhancedRouteRefresh"
        ),
    )
    made.receive_data(encode_open(plain) + KEEPALIVE, 0.0)
    view = View(made)
    view.hear()
    view.forget()
    made.receive_data(encode_route_refresh(RouteRefresh(IPV4_UNICAST)), 1.0)
    view.hear()
    assert set(view.routes) == {A}
    assert not any(isinstance(item, RouteRefresh) for item in view.messages)


def test_a_family_without_next_hop_is_told_to_our_owner_and_not_to_the_peer() -> None:
    made, view = established(ends=ENDS, routes={A: PLAIN, SIX: PLAIN})
    assert set(view.routes) == {A}
    assert NoNextHop(Afi.IPV6) in Side(made).drain()
    assert made.outbound.unannounced == (Afi.IPV6,)


def test_a_family_that_was_not_agreed_is_not_spoken_of() -> None:
    _, view = established(
        peer=theirs(families=frozenset({Afi.IPV4})), routes={A: PLAIN, SIX: PLAIN}
    )
    assert set(view.routes) == {A}
    assert view.ends == [IPV4_UNICAST]


def test_another_next_hop_is_told_without_a_new_session() -> None:
    config = ours()
    made, view = established(config, routes={A: PLAIN})
    view.forget()
    made.reconfigure(replace(config, next_hop_ipv4=IPv4Address("192.0.2.77")), 5.0)
    view.hear()
    assert view.next_hops[A] == bytes((192, 0, 2, 77))
    assert made.state is State.ESTABLISHED


def test_another_form_of_weights_is_told_without_a_new_session() -> None:
    config = ours()
    made, view = established(config, routes={A: RouteAttributes(link_bandwidth=1.0)})
    view.forget()
    changed = replace(config, extended_link_bandwidth=True)
    made.reconfigure(changed, 5.0)
    view.hear()
    assert AttributeCode.IPV6_EXTENDED_COMMUNITIES in view.routes[A]
    assert AttributeCode.EXTENDED_COMMUNITIES not in view.routes[A]
    view.forget()
    made.reconfigure(replace(changed, connect_seconds=7.0), 6.0)
    view.hear()
    assert view.routes == {}  # not an octet of it has changed


def test_a_next_hop_that_is_no_more_ends_the_session() -> None:
    config = ours(next_hop_ipv6=IPv6Address("2001:db8::9"))
    made, view = established(config, ends=ENDS, routes={SIX: PLAIN})
    assert set(view.routes) == {SIX}
    made.reconfigure(replace(config, next_hop_ipv6=None), 5.0)
    assert made.last_down is not None
    assert "OTHER_CONFIGURATION_CHANGE" in str(made.last_down)


def test_settings_wait_for_the_next_connection_when_there_is_none() -> None:
    made = session(ours())
    made.reconfigure(ours(connect_seconds=7.0), 0.0)
    made.start(1.0)
    assert made.get_timer() == 8.0


def test_a_role_marks_routes_for_customers() -> None:
    """RFC 9234 §5."""

    provider = ours(role=Role.PROVIDER)
    _, view = established(provider, theirs(role=Role.CUSTOMER), routes={A: PLAIN})
    assert view.routes[A][AttributeCode.OTC] == (64513).to_bytes(4, "big")
    customer = ours(role=Role.CUSTOMER)
    _, view = established(customer, theirs(role=Role.PROVIDER), routes={A: PLAIN})
    assert AttributeCode.OTC not in view.routes[A]


def test_many_routes_go_by_pieces() -> None:
    routes = {Prefix.of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32"): PLAIN for n in range(40_000)}
    made, _ = established()
    made.set_routes(routes)
    pieces = []
    while data := made.data_to_send():
        pieces.append(len(data))
    assert len(pieces) == 10
    assert max(pieces) < 30_000


PREFIXES = [Prefix.of(f"203.0.113.{n}/32") for n in range(4)] + [
    Prefix.of(f"2001:db8::{n}/128") for n in range(1, 4)
]
STEPS = st.one_of(
    st.tuples(
        st.just("change"),
        st.dictionaries(
            st.sampled_from(PREFIXES),
            st.sampled_from([None, PLAIN, PREFERRED, RouteAttributes(communities=(7,))]),
        ),
    ),
    st.tuples(st.just("hear"), st.none()),
    st.tuples(st.just("refresh"), st.sampled_from([IPV4_UNICAST, IPV6_UNICAST])),
    st.tuples(st.just("reconnect"), st.none()),
)


@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_the_peer_ends_with_what_it_is_to_have(
    steps: list[tuple[str, Any]],
) -> None:
    made, view = established()
    for what, value in steps:
        if what == "change":
            made.change_routes(value)
        elif what == "hear":
            view.hear_once()
        elif what == "refresh":
            made.receive_data(encode_route_refresh(RouteRefresh(value)), 1.0)
        else:
            made.connection_lost("cut", 1.0)
            made.connection_made(DUAL, 1.0, is_dialled=True)
            made.data_to_send()
            made.receive_data(
                encode_open(open_message(theirs(), is_restarting=False)) + KEEPALIVE, 1.0
            )
            view = View(made)
    view.hear()
    wanted = made.outbound.rib.wanted
    assert set(view.routes) == set(wanted)
    for prefix, attributes in wanted.items():
        assert view.med(prefix) == attributes.med
        assert view.communities(prefix) == attributes.communities


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_no_octets_of_a_peer_raise(pieces: list[bytes], is_framed: bool) -> None:
    made, _ = established(routes={A: PLAIN})
    for number, piece in enumerate(pieces):
        kind = MessageType(piece[0] % 5 + 1) if piece else MessageType.UPDATE
        made.receive_data(frame(kind, piece) if is_framed else piece, float(number))
        made.data_to_send()
        made.handle_timer(float(number))


def test_a_connection_that_gives_way_takes_no_routes_from_the_other() -> None:
    """Two connections of a peer have one Adj-RIB-Out."""
    made, _ = established(routes={A: PLAIN})
    other = Session(ours(), jitter=lambda: 1.0, now=0.0, rib=made.outbound.rib, encoder=Encoder())
    made.change_routes({B: PLAIN})
    other.start(0.0)
    other.collided(0.0)
    assert other.state is State.IDLE
    view = View(made)
    view.hear()
    assert set(view.routes) == {B}
