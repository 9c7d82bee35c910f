"""Laws of the BGP codec over octets that nobody thought of.

ExaBGP and scapy read what we write; what ExaBGP writes, we read. Any octets, and every mutant of
every message, end in a message or in a NOTIFICATION, and an UPDATE that is taken accounts for each
of its prefixes.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import pytest
from exabgp.bgp.message.open import Open
from hypothesis import currently_in_test_context, event, given
from hypothesis import strategies as st

from metallb_speaker.bgp.attribute_rules import Approach
from metallb_speaker.bgp.attributes import RouteAttributes, attribute_bytes, mp_reach, mp_unreach
from metallb_speaker.bgp.capabilities import (
    AddPath,
    BgpRole,
    Capability,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    LongLivedGracefulRestart,
    Multiprotocol,
    RouteRefresh,
    UnknownCapability,
)
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import (
    AS_TRANS,
    IPV4_UNICAST,
    IPV6_UNICAST,
    SUBCODES,
    Afi,
    CapabilityCode,
    ErrorCode,
    Family,
    MessageType,
)
from metallb_speaker.bgp.messages import (
    HEADER_LENGTH,
    Message,
    MessageReader,
    Notification,
    RawUpdate,
    encode_notification,
    encode_open,
    frame,
)
from metallb_speaker.bgp.open import OPEN_BODY_MIN, OpenMessage
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.received import UpdateOptions
from metallb_speaker.bgp.update import Update, parse_update, update_message
from support.bgp_judges import (
    Reading,
    exabgp_builds,
    exabgp_reads,
    negotiated,
    scapy_builds,
    scapy_reads,
)
from support.bgp_mutants import GOOD, mutants, octets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = frozenset((IPV4_UNICAST, IPV6_UNICAST))
OPTIONS = st.builds(
    UpdateOptions,
    is_internal=st.booleans(),
    four_octet_as=st.booleans(),
    families=st.sampled_from([frozenset((IPV4_UNICAST,)), BOTH]),
    add_path=st.sampled_from([frozenset[Family](), BOTH]),
    extended_next_hop=st.sampled_from([frozenset[Family](), frozenset((IPV4_UNICAST,))]),
)
EVERY_OPTION = [
    UpdateOptions(is_internal, four, BOTH, add_path, hops)
    for is_internal in (False, True)
    for four in (False, True)
    for add_path in (frozenset[Family](), BOTH)
    for hops in (frozenset[Family](), BOTH)
]

# ------------------------------------------------------------------ any octets


def read_all(data: bytes) -> Iterator[Message]:
    """Read a stream until it ends, or until it is wrong."""
    reader = MessageReader()
    reader.feed(data)
    try:
        while (message := reader.next_message()) is not None:
            yield message
    except NotificationError as error:
        check_error(error)


def check_error(error: NotificationError) -> None:
    """It can be sent, it is one that the RFCs define, and says the same when it is read."""
    assert error.code in set(ErrorCode)
    assert error.subcode == 0 or error.subcode in set(SUBCODES[error.code])
    if currently_in_test_context():
        event(str(error).split(":")[0])
    reader = MessageReader()
    reader.feed(encode_notification(error))
    assert reader.next_message() == Notification(error.code, error.subcode, error.data[:4075])


def read_update(body: bytes, options: UpdateOptions) -> Update | None:
    """Read an UPDATE, and hold it against what the RFC says of any."""
    try:
        update = parse_update(body, options)
    except NotificationError as error:
        check_error(error)
        return None
    is_withdraw = any(p.approach is Approach.TREAT_AS_WITHDRAW for p in update.problems)
    assert not (is_withdraw and update.announced)
    assert len(update.announced_path_ids) in (0, len(update.announced))
    for prefix in update.announced + update.withdrawn:
        assert Prefix.of(prefix.network) == prefix  # spare bits are gone
    if update.end_of_rib is not None:
        assert (update.announced, update.withdrawn, update.problems) == ((), (), ())
    return update


@given(st.binary(max_size=200))
def test_any_octets_as_a_stream(data: bytes) -> None:
    list(read_all(data))


@given(st.sampled_from(MessageType), st.binary(max_size=200))
def test_any_octets_as_a_body(kind: MessageType, body: bytes) -> None:
    for message in read_all(frame(kind, body)):
        if isinstance(message, RawUpdate):
            read_update(message.body, EVERY_OPTION[0])


@given(st.binary(min_size=OPEN_BODY_MIN - 1, max_size=300))
def test_any_octets_as_parameters(data: bytes) -> None:
    for head in (b"\4\xfd\xe9\0\x5a\xc0\0\2\1", b"\4\xfd\xe9\0\x5a\xc0\0\2\1\xff\xff"):
        for lengths in (b"", len(data).to_bytes(1 if len(head) == 9 else 2, "big")):
            list(read_all(frame(MessageType.OPEN, head + lengths + data)))


@given(st.binary(max_size=60), st.binary(max_size=200), st.binary(max_size=60), OPTIONS)
def test_any_octets_as_the_fields_of_an_update(
    withdrawn: bytes, attributes: bytes, nlri: bytes, options: UpdateOptions
) -> None:
    read_update(update_message(withdrawn, attributes, nlri)[HEADER_LENGTH:], options)


SIZES = st.sampled_from([0, 1, 3, 4, 6, 8, 12, 20])
VALUES = st.one_of(
    SIZES.flatmap(lambda size: st.binary(min_size=size, max_size=size)), st.binary(max_size=30)
)


@st.composite
def attribute_octets(draw: st.DrawFn) -> bytes:
    """An attribute whose length is right."""
    flags = draw(st.sampled_from([0x40, 0x80, 0xC0, 0x50, 0xE0, 0x00]))
    code = draw(st.one_of(st.integers(0, 36), st.integers(0, 255)))
    value = draw(VALUES)
    return bytes((flags, code)) + len(value).to_bytes(2 if flags & 0x10 else 1, "big") + value


@given(st.lists(attribute_octets(), max_size=8), st.sampled_from([b"", b"\x08\x0a"]), OPTIONS)
def test_any_attributes(attributes: list[bytes], nlri: bytes, options: UpdateOptions) -> None:
    body = update_message(b"", b"".join(attributes), nlri)[HEADER_LENGTH:]
    update = read_update(body, options)
    if update is not None and nlri and not options.add_path:
        assert Prefix.of("10.0.0.0/8") in update.announced + update.withdrawn


# ------------------------------------------------------------------ mutants

MUTANTS = {kind: list(mutants(kind)) for kind in GOOD}
FLOORS = {"UPDATE, IPv4": 1300, "UPDATE, IPv6": 1300, "OPEN": 900, "ROUTE-REFRESH": 80}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_message_is_read(kind: str) -> None:
    (message,) = read_all(octets_of(GOOD[kind]))
    if isinstance(message, RawUpdate):
        options = UpdateOptions(is_internal=True, four_octet_as="of two" not in kind, families=BOTH)
        assert parse_update(message.body, options).problems == ()


def test_there_are_as_many_mutants_as_there_were() -> None:
    assert {kind for kind, floor in FLOORS.items() if len(MUTANTS[kind]) < floor} == set()
    assert {bytes(octets_of(good))[18] for good in GOOD.values()} == set(MessageType)


@pytest.mark.parametrize("kind", GOOD)
def test_every_mutant_is_read_or_refused(kind: str) -> None:
    for number, mutant in enumerate(MUTANTS[kind]):
        for message in read_all(mutant.octets):
            if isinstance(message, RawUpdate):
                for options in EVERY_OPTION[number % 4 :: 4]:
                    read_update(message.body, options)


# ------------------------------------------------------------------ OPEN

FAMILIES = st.one_of(
    st.sampled_from([IPV4_UNICAST, IPV6_UNICAST]),
    st.builds(Family, st.integers(0, 0xFFFF), st.integers(0, 0xFF)),
)
KNOWN_CODES = {code.value for code in CapabilityCode}
CAPABILITY: st.SearchStrategy[Capability] = st.one_of(
    st.builds(Multiprotocol, FAMILIES),
    st.sampled_from([RouteRefresh(), EnhancedRouteRefresh(), ExtendedMessage()]),
    st.builds(FourOctetAs, st.integers(1, 0xFFFFFFFF)),
    st.builds(
        ExtendedNextHop, st.lists(st.tuples(FAMILIES, st.sampled_from(Afi)), max_size=5).map(tuple)
    ),
    st.builds(AddPath, st.lists(st.tuples(FAMILIES, st.integers(0, 255)), max_size=5).map(tuple)),
    st.builds(
        GracefulRestart,
        st.booleans(),
        st.booleans(),
        st.integers(0, 0xFFF),
        st.lists(st.tuples(FAMILIES, st.booleans()), max_size=5).map(tuple),
    ),
    st.builds(
        LongLivedGracefulRestart,
        st.lists(st.tuples(FAMILIES, st.booleans(), st.integers(0, 0xFFFFFF)), max_size=5).map(
            tuple
        ),
    ),
    st.builds(BgpRole, st.integers(0, 255)),
    st.builds(
        UnknownCapability,
        st.integers(0, 255).filter(lambda code: code not in KNOWN_CODES),
        st.binary(max_size=255),
    ),
)
OPENS = st.builds(
    OpenMessage,
    st.integers(1, 0xFFFF),
    st.one_of(st.just(0), st.integers(3, 0xFFFF)),
    st.integers(1, 0xFFFFFFFF),
    st.lists(CAPABILITY, max_size=12).map(tuple),
)


@given(OPENS)
def test_an_open_survives_the_wire(message: OpenMessage) -> None:
    octets = encode_open(message)
    event(f"extended: {octets[29:30] == bytes((255,))}")
    assert list(read_all(octets)) == [message]


@given(OPENS)
def test_exabgp_reads_our_open_and_we_read_its_own(message: OpenMessage) -> None:
    ours = {c for c in message.capabilities if isinstance(c, EXABGP_KEEPS)}
    message = OpenMessage(message.my_as, message.hold_seconds, message.router_id, tuple(ours))
    theirs = Open.unpack_message(message.encode())
    assert (theirs.asn, theirs.hold_time) == (message.my_as, message.hold_seconds)
    assert theirs.router_id.top() == str(IPv4Address(message.router_id))
    reread = OpenMessage.parse(theirs.message()[HEADER_LENGTH:])
    assert set(reread.capabilities) == ours


EXABGP_KEEPS = (RouteRefresh, EnhancedRouteRefresh)

# ------------------------------------------------------------------ UPDATE

NUMBERS = st.integers(0, 0xFFFFFFFF)
ATTRIBUTES = st.builds(
    RouteAttributes,
    local_pref=st.none() | NUMBERS,
    med=st.none() | NUMBERS,
    communities=st.lists(NUMBERS, max_size=90).map(tuple),
    large_communities=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=30).map(tuple),
    extended_communities=st.lists(st.binary(min_size=8, max_size=8), max_size=4).map(tuple),
    prepend=st.one_of(st.integers(0, 5), st.integers(0, 300)),
    link_bandwidth=st.none() | st.floats(0, 2**40, width=32),
)
IPV4 = st.integers(0, 32).flatmap(
    lambda length: st.integers(0, 2**length - 1).map(
        lambda number: IPv4Network((number << (32 - length), length))
    )
)
IPV6 = st.integers(0, 128).flatmap(
    lambda length: st.integers(0, 2**length - 1).map(
        lambda number: IPv6Network((number << (128 - length), length))
    )
)
MANY4 = st.lists(IPV4, min_size=1, max_size=20, unique=True)
MANY6 = st.lists(IPV6, min_size=1, max_size=20, unique=True)
ASNS = st.one_of(st.integers(1, 0xFFFF), st.integers(1, 0xFFFFFFFF))
HOP4 = bytes((192, 0, 2, 1))
HOP6 = IPv6Address("2001:db8::1").packed


def nlri(networks: list[IPv4Network] | list[IPv6Network]) -> bytes:
    return b"".join(Prefix.of(network).nlri for network in networks)


@given(ATTRIBUTES, MANY4, MANY4, ASNS, st.booleans(), st.booleans())
def test_exabgp_reads_our_ipv4_routes(
    attributes: RouteAttributes,
    networks: list[IPv4Network],
    gone: list[IPv4Network],
    asn: int,
    is_internal: bool,
    four_octet_as: bool,
) -> None:
    octets = attribute_bytes(
        attributes,
        is_internal=is_internal,
        my_asn=asn,
        four_octet_as=four_octet_as,
        next_hop=HOP4,
    )
    body = update_message(nlri(gone), octets, nlri(networks))[HEADER_LENGTH:]
    update = parse_update(body, UpdateOptions(is_internal, four_octet_as))
    assert update.problems == ()
    assert [prefix.network for prefix in update.announced] == networks
    assert [prefix.network for prefix in update.withdrawn] == gone
    path = [] if is_internal else [asn] * (1 + min(attributes.prepend, 254))
    reading = exabgp_reads(body, negotiated(four_octet_as=four_octet_as))
    assert reading.attributes == exabgp_words(attributes, path, asn, is_internal=is_internal)
    assert reading.announced == {str(network) for network in networks}
    assert reading.withdrawn == {str(network) for network in gone}


def stated_preference(attributes: RouteAttributes) -> int:
    return 100 if attributes.local_pref is None else attributes.local_pref


def exabgp_words(
    attributes: RouteAttributes, path: list[int], asn: int, *, is_internal: bool
) -> dict[str, object]:
    """Say in ExaBGP's words what it should read (it puts AS4_PATH in its place)."""
    words: dict[str, object] = {"origin": "igp", "next hop": "192.0.2.1"}
    extended = set(attributes.extended_communities)
    if attributes.link_bandwidth is not None:
        short = asn if asn <= 0xFFFF else AS_TRANS
        extended.add(struct.pack("!BBHf", 0x40, 4, short, attributes.link_bandwidth))
    if attributes.communities:
        packed = {number.to_bytes(4, "big") for number in attributes.communities}
        words["communities"] = sorted(packed)
    if extended:
        words["extended communities"] = sorted(extended)
    if attributes.large_communities:
        large = {struct.pack("!III", *item) for item in attributes.large_communities}
        words["large communities"] = sorted(large)
    if path:
        words["as path"] = f"( {' '.join(map(str, path))} )"
    if attributes.med is not None:
        words["med"] = str(attributes.med)
    if is_internal:
        words["local pref"] = str(stated_preference(attributes))
    return words


@given(ATTRIBUTES, MANY6, st.booleans())
def test_exabgp_reads_our_ipv6_routes(
    attributes: RouteAttributes, networks: list[IPv6Network], has_link_local: bool
) -> None:
    hop = HOP6 + IPv6Address("fe80::1").packed if has_link_local else HOP6
    octets = mp_reach(IPV6_UNICAST, hop, nlri(networks)) + attribute_bytes(
        attributes, is_internal=False, my_asn=65001, four_octet_as=True, next_hop=None
    )
    body = update_message(attributes=octets)[HEADER_LENGTH:]
    update = parse_update(body, UpdateOptions(False, True, BOTH))
    assert update.problems == ()
    assert [prefix.network for prefix in update.announced] == networks
    reading = exabgp_reads(body, negotiated())
    assert {IPv6Network(text) for text in reading.announced} == set(networks)
    assert reading.next_hop == ("fe80::1" if has_link_local else "2001:db8::1")


PLAIN = st.builds(
    RouteAttributes,
    local_pref=st.none() | NUMBERS,
    med=st.none() | NUMBERS,
    prepend=st.integers(0, 20),
)
"""What scapy reads well: it loses its way in long paths and in several communities."""


@given(PLAIN, MANY4, MANY4, MANY6, ASNS, st.booleans(), st.booleans())
def test_scapy_reads_our_routes(
    attributes: RouteAttributes,
    networks: list[IPv4Network],
    gone: list[IPv4Network],
    networks6: list[IPv6Network],
    asn: int,
    is_internal: bool,
    four_octet_as: bool,
) -> None:
    octets = attribute_bytes(
        attributes,
        is_internal=is_internal,
        my_asn=asn,
        four_octet_as=four_octet_as,
        next_hop=HOP4,
    )
    said: dict[str, object] = {"origin": 0, "as path": []}
    if not is_internal:
        short = asn if four_octet_as or asn <= 0xFFFF else AS_TRANS
        said["as path"] = [(2, [short] * (1 + attributes.prepend))]
    else:
        said["local pref"] = stated_preference(attributes)
    if attributes.med is not None:
        said["med"] = attributes.med
    message = update_message(nlri(gone), octets, nlri(networks))
    assert scapy_reads(message, four_octet_as=four_octet_as) == Reading(
        {str(network) for network in networks},
        {str(network) for network in gone},
        "192.0.2.1",
        said,
    )
    reach = mp_reach(IPV6_UNICAST, HOP6, nlri(networks6))
    reading = scapy_reads(update_message(attributes=reach), four_octet_as=four_octet_as)
    assert {IPv6Network(text) for text in reading.announced} == set(networks6)
    assert reading.next_hop == "2001:db8::1"


@given(MANY4, MANY4, NUMBERS, st.lists(ASNS, max_size=5))
def test_we_read_what_scapy_builds(
    networks: list[IPv4Network], gone: list[IPv4Network], med: int, path: list[int]
) -> None:
    update = parse_update(
        scapy_builds(networks, gone, med, path)[HEADER_LENGTH:], UpdateOptions(False, True)
    )
    assert update.problems == ()
    assert [prefix.network for prefix in update.announced] == networks
    assert [prefix.network for prefix in update.withdrawn] == gone
    numbers = struct.pack(f"!{len(path)}I", *path)
    assert update.attributes == {
        1: b"\2",
        2: bytes((2, len(path))) + numbers if path else b"",
        3: HOP4,
        4: med.to_bytes(4, "big"),
    }


@given(MANY4, st.lists(NUMBERS, min_size=1, max_size=70, unique=True))
def test_we_read_what_exabgp_builds(networks: list[IPv4Network], communities: list[int]) -> None:
    packed = [number.to_bytes(4, "big") for number in communities]
    found: list[Prefix] = []
    for message in exabgp_builds(networks, packed):
        update = parse_update(message[HEADER_LENGTH:], UpdateOptions(True, True))
        assert [problem.attribute for problem in update.problems] == []
        assert update.attributes[8] == b"".join(sorted(packed))
        found += update.announced
    assert {prefix.network for prefix in found} == set(networks)
    assert len(found) == len(networks)


@given(MANY6)
def test_judges_read_what_we_withdraw(networks: list[IPv6Network]) -> None:
    message = update_message(attributes=mp_unreach(IPV6_UNICAST, nlri(networks)))
    update = parse_update(message[HEADER_LENGTH:], UpdateOptions(False, True, BOTH))
    assert [prefix.network for prefix in update.withdrawn] == networks
    for reading in (exabgp_reads(message[HEADER_LENGTH:], negotiated()), scapy_reads(message)):
        assert {IPv6Network(text) for text in reading.withdrawn} == set(networks)


@given(MANY4, st.integers(0, 0xFFFFFFFF))
def test_exabgp_reads_ipv4_over_an_ipv6_next_hop_and_path_identifiers(
    networks: list[IPv4Network], path_id: int
) -> None:
    field = b"".join(struct.pack("!I", path_id) + Prefix.of(n).nlri for n in networks)
    octets = mp_reach(IPV4_UNICAST, HOP6, field) + attribute_bytes(
        RouteAttributes(), is_internal=False, my_asn=65001, four_octet_as=True, next_hop=None
    )
    body = update_message(attributes=octets)[HEADER_LENGTH:]
    update = parse_update(body, UpdateOptions(False, True, BOTH, BOTH, BOTH))
    assert [prefix.network for prefix in update.announced] == networks
    assert set(update.announced_path_ids) == {path_id}
    reading = exabgp_reads(body, negotiated(has_path_ids=True))
    assert reading.announced == {str(network) for network in networks}
    assert reading.next_hop == "2001:db8::1"
