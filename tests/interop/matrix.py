"""What was proved with whom: each claim with the test that asks the router itself.

`python -m interop.matrix`, run in `tests`, prints it as `docs/internal/INTEROP.md` has it.
"""

from __future__ import annotations

from typing import Final

ROUTERS: Final = ("BIRD 2", "FRR 8.4", "GoBGP 3", "OpenBGPD 7.7", "ExaBGP 5", "pmacct 1.7")
_BIRD: Final = "tests/interop/test_bgp_bird.py::"
_FRR: Final = "tests/interop/test_bgp_frr.py::"
_OTHERS: Final = "tests/interop/test_bgp_others.py::"
_PMACCT: Final = "tests/interop/test_bmp_pmacct.py::"

_EVERY: Final = "test_routes_arrive_with_every_attribute_and_go"
_ALL: Final = {
    "BIRD 2": _BIRD + _EVERY,
    "FRR 8.4": _FRR + _EVERY,
    "GoBGP 3": _OTHERS + _EVERY,
    "OpenBGPD 7.7": _OTHERS + _EVERY,
    "ExaBGP 5": _OTHERS + _EVERY,
}


def _both(name: str, frr: str | None = None) -> dict[str, str]:
    return {"BIRD 2": _BIRD + name, "FRR 8.4": _FRR + (frr or name)}


def _others(name: str, *routers: str) -> dict[str, str]:
    return dict.fromkeys(routers or ROUTERS[2:5], _OTHERS + name)


def _pmacct(name: str) -> dict[str, str]:
    return {"pmacct 1.7": _PMACCT + name}


CLAIMS: Final[dict[str, dict[str, str]]] = {
    "session, IPv4 and IPv6 routes, withdrawal": _ALL,
    "4-octet AS, prepending, MED": _ALL,
    "communities, large and extended ones": _ALL,
    "link bandwidth of a 4-octet AS": {
        "BIRD 2": _BIRD + "test_a_big_as_tells_its_link_bandwidth",
        "FRR 8.4": _FRR + "test_a_big_as_tells_its_link_bandwidth",
        **_others("test_a_big_as_tells_its_link_bandwidth", "GoBGP 3", "ExaBGP 5"),
    },
    "extended link bandwidth, not read and yet no harm": {
        "BIRD 2": _BIRD + "test_an_extended_link_bandwidth_costs_no_route",
        "FRR 8.4": _FRR + "test_an_extended_link_bandwidth_costs_no_route",
        **_others("test_an_extended_link_bandwidth_costs_no_route"),
    },
    "local preference on an internal session": _both(
        "test_an_internal_peer_hears_the_local_preference"
    ),
    "the router dials": {
        "BIRD 2": _BIRD + "test_bird_dials_us",
        "FRR 8.4": _FRR + "test_unnumbered",
        **_others("test_it_dials_us"),
    },
    "the router waits": {
        "BIRD 2": _BIRD + "test_bird_waits_for_us",
        "FRR 8.4": _FRR + "test_unnumbered",
        **_others("test_it_waits_for_us", "GoBGP 3", "OpenBGPD 7.7"),
    },
    "both dial: one connection stays": _both("test_when_both_dial_one_session_stays"),
    "MD5": {**_both("test_a_password_is_checked"), **_others("test_a_password_is_checked")},
    "TTL security (GTSM)": _both("test_ttl_security"),
    "route refresh, enhanced": _both("test_a_route_refresh_brings_everything_again"),
    "graceful restart of ours": {
        **_both("test_a_restart_of_ours_keeps_the_routes"),
        **_others("test_openbgpd_keeps_our_routes_over_a_restart", "OpenBGPD 7.7"),
    },
    "shutdown in the operator's words": _both("test_a_stop_is_told_in_the_operators_words"),
    "extended messages": {
        "BIRD 2": _BIRD + "test_ten_thousand_prefixes_come_and_go",
        "FRR 8.4": _FRR + _EVERY,
    },
    "more routes than an UPDATE holds": {
        "BIRD 2": _BIRD + "test_ten_thousand_prefixes_come_and_go",
        **_others("test_many_prefixes_come_and_go"),
    },
    "path identifiers (add-path)": {
        **_ALL,
        "BIRD 2": _BIRD + "test_paths_have_identifiers_where_bird_wants_them",
    },
    "IPv4 routes with an IPv6 next hop": _both(
        "test_ipv4_routes_go_over_ipv6_with_an_ipv6_next_hop", "test_over_ipv6"
    ),
    "link-local addresses": _both(
        "test_ipv4_routes_go_over_ipv6_with_an_ipv6_next_hop", "test_over_link_local_addresses"
    ),
    "unnumbered": {"FRR 8.4": _FRR + "test_unnumbered"},
    "unnumbered, with a password": {"FRR 8.4": _FRR + "test_unnumbered_with_a_password"},
    "dynamic ASN, internal and external": {
        "FRR 8.4": _FRR + "test_an_internal_peer_hears_the_local_preference"
    },
    "local ASN": {"FRR 8.4": _FRR + "test_a_changed_local_asn_says_why"},
    "BMP: sessions, routes with their attributes, withdrawal, termination": _pmacct(
        "test_a_session_is_told_from_its_beginning_to_its_end"
    ),
    "BMP: who ended a session, and how": _pmacct(
        "test_an_end_that_the_router_makes_has_its_reason"
    ),
    "BMP: all anew for a collector that comes later": _pmacct(
        "test_a_collector_that_comes_later_hears_what_the_router_has"
    ),
    "BMP: more routes than an UPDATE holds": _pmacct("test_long_messages_are_understood"),
}

HEAD: Final = """# Interoperability of BGP

What was proved with whom. Every mark is a test in which the router itself was asked what it has; a
gap is something that we have not tried with that router, or that it cannot do. The table is printed
by `tests/interop/matrix.py`, which names the test behind each mark, and is held to it by
`tests/interop/test_matrix.py`. BFD has tests of its own beside these.

pmacct is a collector of BMP, which hears of a session with BIRD. Its release 1.7.7 does not read
path identifiers of routes that a peer is sent, nor an IPv6 next hop of IPv4 routes.

The extended link bandwidth was tried by hand with FRR 10.3, which reads it:
`LB:4200000001:375000000 (3.000 Gbps)`.

"""


def table() -> str:
    """Write the table."""
    lines = [f"| what | {' | '.join(ROUTERS)} |", f"| --- |{' --- |' * len(ROUTERS)}"]
    for claim, proofs in CLAIMS.items():
        marks = " | ".join("yes" if router in proofs else "" for router in ROUTERS)
        lines.append(f"| {claim} | {marks} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
