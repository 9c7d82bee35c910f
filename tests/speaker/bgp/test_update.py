"""UPDATE: what is read, and what RFC 7606 makes of what is malformed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metallb_speaker.bgp.attribute_rules import RULES
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, AttributeCode
from metallb_speaker.bgp.messages import HEADER_LENGTH
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.update import Update, end_of_rib, parse_update
from vectors.bgp.updates import (
    CASES,
    DISCARD,
    EXTERNAL,
    GLOBAL,
    GOOD,
    INTERNAL,
    LOCAL_PREF,
    MP_REACH,
    MP_UNREACH,
    NLRI,
    OLD,
    OLD_PATH,
    ORIGIN,
    PREFIX,
    PREFIX6,
    RESETS,
    WITHDRAW,
    Case,
    Reset,
    body,
)

NEXT_HOP = "40 03 04 c0000201"


def values(update: Update) -> dict[int, str]:
    return {code: value.hex() for code, value in update.attributes.items()}


def test_a_route_is_read() -> None:
    update = parse_update(body(GOOD, NLRI + "08 0a"), EXTERNAL)
    assert update.announced == (PREFIX, Prefix.of("10.0.0.0/8"))
    assert values(update) == {1: "00", 2: "02010000fdf2", 3: "c0000201"}
    assert (update.withdrawn, update.problems, update.end_of_rib) == ((), (), None)
    assert update.announced_path_ids == ()


def test_withdrawn_routes_are_read() -> None:
    assert parse_update(body(withdrawn=NLRI + "00"), EXTERNAL) == Update(
        withdrawn=(PREFIX, Prefix.of("0.0.0.0/0"))
    )


def test_both_families_are_read_from_one_update() -> None:
    update = parse_update(body(f"{MP_REACH} {GOOD}", NLRI, "08 0a"), EXTERNAL)
    assert update.announced == (PREFIX, PREFIX6)
    assert update.withdrawn == (Prefix.of("10.0.0.0/8"),)
    update = parse_update(body(f"{MP_UNREACH} {GOOD}", NLRI, "08 0a"), EXTERNAL)
    assert update.announced == (PREFIX,)
    assert update.withdrawn == (Prefix.of("10.0.0.0/8"), PREFIX6)


def test_ipv6_needs_no_next_hop_attribute() -> None:
    update = parse_update(body(f"{MP_REACH} {GOOD}".removesuffix(NEXT_HOP)), EXTERNAL)
    assert (update.announced, update.problems) == ((PREFIX6,), ())


@pytest.mark.parametrize("length", [16, 32])
def test_a_link_local_next_hop_may_be_beside_the_other(length: int) -> None:
    """RFC 2545 §3."""
    hop = (GLOBAL * 2)[: 2 * length]
    reach = f"80 0e {length + 10:02x} 0002 01 {length:02x} {hop} 00 20 20010db8"
    assert parse_update(body(f"{reach} {GOOD}"), EXTERNAL).announced == (PREFIX6,)


@pytest.mark.parametrize("length", [4, 16, 32])
def test_ipv4_may_have_an_ipv6_next_hop_once_both_said_so(length: int) -> None:
    """RFC 8950 §3."""
    options = replace(EXTERNAL, extended_next_hop=frozenset((IPV4_UNICAST,)))
    hop = (GLOBAL * 2)[: 2 * length]
    reach = f"80 0e {length + 9:02x} 0001 01 {length:02x} {hop} 00 {NLRI}"
    assert parse_update(body(f"{reach} {GOOD}"), options).announced == (PREFIX,)


def test_path_identifiers_are_read_where_they_are_sent() -> None:
    options = replace(EXTERNAL, add_path=frozenset((IPV4_UNICAST, IPV6_UNICAST)))
    reach = f"80 0e 1e 0002 01 10 {GLOBAL} 00 00000009 20 20010db8"
    update = parse_update(body(f"{reach} {GOOD}", f"00000007 {NLRI}", "00000001 00"), options)
    assert update.announced == (PREFIX, PREFIX6)
    assert update.announced_path_ids == (7, 9)
    assert update.withdrawn == (Prefix.of("0.0.0.0/0"),)


def test_a_peer_with_as_numbers_of_two_octets() -> None:
    """RFC 6793 §4.2: AS4_PATH and AS4_AGGREGATOR beside the others."""
    more = (
        "c0 07 06 5ba0 c0000201 c0 11 0c 02 01 fc00ffff 03 01 0000fde9 c0 12 08 fc00ffff c0000201"
    )
    update = parse_update(body(f"{ORIGIN} {OLD_PATH} {NEXT_HOP} {more}", NLRI), OLD)
    assert (update.announced, update.problems) == ((PREFIX,), ())
    assert set(update.attributes) == {1, 2, 3, 7, 17, 18}
    update = parse_update(
        body(f"{ORIGIN} {OLD_PATH} {NEXT_HOP} c0 11 06 02 01 fc00ffff", NLRI), OLD
    )
    assert (set(update.attributes), update.problems) == ({1, 2, 3, 17}, ())


def test_every_attribute_that_is_as_it_should_be_is_kept() -> None:
    more = (
        f"80 04 04 00000001 {LOCAL_PREF} 40 06 00 c0 07 08 0000fdf2c0000201 c0 08 08 {'00' * 8}"
        f" 80 09 04 c0000201 80 0a 08 {'00' * 8} c0 10 10 {'00' * 16} c0 19 14 {'00' * 20}"
        f" c0 20 0c {'00' * 12} c0 23 04 0000fdf2"
    )
    update = parse_update(body(f"{GOOD} {more}", NLRI), INTERNAL)
    assert (update.announced, update.problems) == ((PREFIX,), ())
    assert set(update.attributes) == set(RULES) - {17, 18}


@pytest.mark.parametrize(
    "more",
    [
        "80 1c 00",  # RFC 7447: type 28 is an unknown attribute, whatever is in it
        "c0 1c 05 0102030405",
        "e0 63 01 00",  # RFC 4271 §9: partial
        "d0 63 0001 00",
        "80 00 00",
        "ef ff 00",  # the low bits of the flags "MUST be ignored when received"
    ],
)
def test_an_unknown_optional_attribute_harms_nothing(more: str) -> None:
    update = parse_update(body(f"{GOOD} {more}", NLRI), EXTERNAL)
    assert (update.announced, update.problems) == ((PREFIX,), ())


def test_partial_and_a_long_length_are_no_errors_of_flags() -> None:
    update = parse_update(body(f"60 01 01 00 50 02 0000 {NEXT_HOP}", NLRI), EXTERNAL)
    assert (update.announced, update.problems) == ((PREFIX,), ())


# ------------------------------------------------------------------ RFC 7606


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_malformed_attribute_costs_what_the_table_says(case: Case) -> None:
    update = parse_update(body(case.attributes, NLRI), case.options)
    assert [(p.attribute, p.approach) for p in update.problems] == [(case.attribute, case.approach)]
    assert (PREFIX in update.withdrawn, PREFIX in update.announced) == (
        case.approach is WITHDRAW,
        case.approach is DISCARD,
    )
    if case.approach is WITHDRAW:
        assert (update.announced, update.announced_path_ids) == ((), ())
    assert str(update.problems[0]).endswith(f": {case.approach.value}")


def test_every_attribute_has_a_case() -> None:
    assert {case.attribute for case in CASES.values()} >= set(AttributeCode)


@pytest.mark.parametrize("case", RESETS.values(), ids=RESETS)
def test_what_cannot_be_contained_resets_the_session(case: Reset) -> None:
    with pytest.raises(NotificationError) as caught:
        parse_update(case.body, case.options)
    error = caught.value
    assert (error.code, error.subcode, error.data.hex()) == (3, case.subcode, case.data)


def test_the_first_of_two_is_kept() -> None:
    """RFC 7606 §3 (g): "all the occurrences of the attribute other than the first one"."""
    update = parse_update(body(f"{GOOD} 40 01 01 02", NLRI), EXTERNAL)
    assert values(update)[AttributeCode.ORIGIN] == "00"


def test_a_second_one_is_not_asked_whether_it_is_malformed() -> None:
    update = parse_update(body(f"{GOOD} 40 01 01 09", NLRI), EXTERNAL)
    assert update.announced == (PREFIX,)


def test_the_stronger_approach_wins() -> None:
    """RFC 7606 §3 (h)."""
    update = parse_update(body(f"{GOOD} {LOCAL_PREF} 80 04 00", NLRI), EXTERNAL)
    assert [p.approach for p in update.problems] == [DISCARD, WITHDRAW]
    assert update.withdrawn == (PREFIX,)
    with pytest.raises(NotificationError):
        parse_update(body(f"{GOOD} 80 04 00 {MP_REACH} {MP_REACH}", NLRI), EXTERNAL)


def test_treat_as_withdraw_takes_both_families() -> None:
    update = parse_update(body(f"{MP_REACH} {GOOD} c0 08 00", NLRI), EXTERNAL)
    assert update.withdrawn == (PREFIX, PREFIX6)


def test_a_discard_without_nlri_harms_nothing() -> None:
    """RFC 7606 §5.2 speaks of approaches "other than attribute discard"."""
    update = parse_update(body(f"{GOOD} {LOCAL_PREF}"), EXTERNAL)
    assert [p.approach for p in update.problems] == [DISCARD]


def test_nothing_of_a_family_that_was_not_negotiated_is_looked_at() -> None:
    """So an error beside it costs nothing: there is no route of ours to withdraw."""
    reach = "80 0e 09 4004 47 04 c0000201 00"
    update = parse_update(body(f"{reach} {GOOD} c0 08 00"), EXTERNAL)
    assert [p.attribute for p in update.problems] == [14, 8]
    assert update.announced == update.withdrawn == ()


# ------------------------------------------------------------------ End-of-RIB


@pytest.mark.parametrize("family", [IPV4_UNICAST, IPV6_UNICAST])
def test_end_of_rib_is_known(family: object) -> None:
    octets = end_of_rib(IPV6_UNICAST if family == IPV6_UNICAST else IPV4_UNICAST)
    assert parse_update(octets[HEADER_LENGTH:], EXTERNAL).end_of_rib == family


@pytest.mark.parametrize(
    "octets",
    [
        body(MP_UNREACH),
        body("80 0f 03 0002 01", withdrawn=NLRI),
        body(f"80 0f 03 0002 01 {GOOD}", NLRI),
        body("80 0f 03 0002 01 40 01 01 00"),
        body("80 0f 03 4004 47"),
        body(GOOD),
    ],
)
def test_what_is_no_end_of_rib(octets: bytes) -> None:
    assert parse_update(octets, EXTERNAL).end_of_rib is None


def test_end_of_rib_for_ipv4_in_its_other_form() -> None:
    assert parse_update(body("90 0f 0003 0001 01"), EXTERNAL).end_of_rib == IPV4_UNICAST
