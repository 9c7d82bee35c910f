"""UPDATEs of many prefixes: no larger than agreed, nothing lost, and made once for all alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_speaker.bgp.attributes import RouteAttributes
from metallb_speaker.bgp.iana import Afi, AttributeCode
from metallb_speaker.bgp.messages import MessageReader, RawUpdate
from metallb_speaker.bgp.negotiation import FAMILIES
from metallb_speaker.bgp.packing import LONGEST_NLRI, Encoder, Encoding, chunks
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.received import UpdateOptions
from metallb_speaker.bgp.rib_out import Batch
from metallb_speaker.bgp.update import Update, parse_update

FOUR, SIX = b"\xc0\0\2\1", bytes(15) + b"\1"
PLAIN = RouteAttributes()
EXTERNAL = Encoding(
    is_internal=False,
    my_asn=64513,
    four_octet_as=True,
    max_message=4096,
    next_hops=((Afi.IPV4, FOUR), (Afi.IPV6, SIX)),
    add_path=frozenset(),
    otc=None,
)
OVER_IPV6 = replace(EXTERNAL, next_hops=((Afi.IPV4, SIX), (Afi.IPV6, SIX + SIX)))


def many(count: int, afi: Afi = Afi.IPV4) -> list[bytes]:
    """So many host routes."""
    octets = 4 if afi is Afi.IPV4 else 16
    return [bytes((8 * octets,)) + number.to_bytes(octets, "big") for number in range(count)]


def read(data: bytes, encoding: Encoding) -> list[Update]:
    """Read it as the peer would, and check sizes."""
    reader = MessageReader(encoding.max_message)
    reader.feed(data)
    options = UpdateOptions(
        is_internal=encoding.is_internal,
        four_octet_as=encoding.four_octet_as,
        families=frozenset(FAMILIES.values()),
        add_path=frozenset(FAMILIES[Afi(afi)] for afi in encoding.add_path),
        extended_next_hop=frozenset({FAMILIES[Afi.IPV4]}),
    )
    updates = []
    while (message := reader.next_message()) is not None:
        assert isinstance(message, RawUpdate)
        updates.append(parse_update(message.body, options))
        assert not updates[-1].problems
    return updates


def announce(
    encoding: Encoding, nlri: list[bytes], attributes: RouteAttributes = PLAIN, afi: Afi = Afi.IPV4
) -> list[Update]:
    packed = Encoder().encode(encoding, Batch({}, {(afi, attributes): nlri}))
    updates = read(packed.data, encoding)
    assert packed.updates == len(updates)
    return updates


@pytest.mark.parametrize("encoding", [EXTERNAL, OVER_IPV6, replace(EXTERNAL, is_internal=True)])
@pytest.mark.parametrize("size", [4096, 65535])
@pytest.mark.parametrize("afi", list(Afi))
@pytest.mark.parametrize("paths", [frozenset(), frozenset(Afi)])
def test_all_prefixes_arrive_in_few_updates(
    encoding: Encoding, size: int, afi: Afi, paths: frozenset[Afi]
) -> None:
    encoding = replace(encoding, max_message=size, add_path=paths)
    nlri = many(5000, afi)
    updates = announce(encoding, nlri, afi=afi)
    assert [prefix for update in updates for prefix in update.announced] == [
        Prefix(afi, item) for item in nlri
    ]
    octets = len(b"".join(nlri)) + (4 * len(nlri) if paths else 0)
    assert len(updates) <= octets // (size - 150) + 1


@pytest.mark.parametrize("encoding", [EXTERNAL, OVER_IPV6])
@pytest.mark.parametrize("afi", list(Afi))
def test_withdrawals_are_split(encoding: Encoding, afi: Afi) -> None:
    nlri = many(3000, afi)
    packed = Encoder().encode(encoding, Batch({afi: nlri}, {}))
    updates = read(packed.data, encoding)
    assert [prefix.nlri for update in updates for prefix in update.withdrawn] == nlri
    assert packed.updates == len(updates) > 1


def test_withdrawals_come_first() -> None:
    batch = Batch({Afi.IPV4: many(1)}, {(Afi.IPV4, PLAIN): many(2)[1:]})
    first, second = read(Encoder().encode(EXTERNAL, batch).data, EXTERNAL)
    assert first.withdrawn
    assert second.announced


def test_a_family_without_next_hop_is_not_spoken_of() -> None:
    encoding = replace(EXTERNAL, next_hops=((Afi.IPV4, FOUR),))
    nlri = many(1, Afi.IPV6)
    batch = Batch({Afi.IPV6: nlri}, {(Afi.IPV6, PLAIN): nlri})
    assert Encoder().encode(encoding, batch) == (b"", 0)


def test_a_route_whose_attributes_fit_no_message_is_withdrawn() -> None:
    huge = RouteAttributes(large_communities=tuple((64513, 1, n) for n in range(400)))
    (update,) = announce(EXTERNAL, many(1), huge)
    assert update.withdrawn == (Prefix(Afi.IPV4, many(1)[0]),)
    assert not update.announced
    (update,) = announce(replace(EXTERNAL, max_message=65535), many(1), huge)
    assert update.announced


def test_the_route_says_only_to_customer_where_a_role_demands_it() -> None:
    """RFC 9234 §5."""
    (update,) = announce(replace(EXTERNAL, otc=64513), many(1))
    assert update.attributes[AttributeCode.OTC] == (64513).to_bytes(4, "big")
    (update,) = announce(EXTERNAL, many(1))
    assert AttributeCode.OTC not in update.attributes


def test_local_preference_is_for_internal_peers_alone() -> None:
    wish = RouteAttributes(local_pref=7, med=9)
    (update,) = announce(replace(EXTERNAL, is_internal=True), many(1), wish)
    assert update.attributes[AttributeCode.LOCAL_PREF] == bytes((0, 0, 0, 7))
    (update,) = announce(EXTERNAL, many(1), wish)
    assert AttributeCode.LOCAL_PREF not in update.attributes
    assert update.attributes[AttributeCode.MULTI_EXIT_DISC] == bytes((0, 0, 0, 9))


def test_what_a_hundred_peers_share_is_made_once() -> None:
    encoder, batch = Encoder(), Batch({}, {(Afi.IPV4, PLAIN): many(2000)})
    first = encoder.encode(EXTERNAL, batch)
    assert encoder.remembered == 2  # the attributes, and the batch
    for _ in range(99):
        assert encoder.encode(EXTERNAL, batch).data is first.data
    encoder.encode(replace(EXTERNAL, four_octet_as=False), batch)
    assert encoder.remembered == 4


def test_what_is_remembered_is_bounded() -> None:
    encoder = Encoder()
    for med in range(1000):
        encoder.encode(EXTERNAL, Batch({}, {(Afi.IPV4, RouteAttributes(med=med)): many(1)}))
    assert encoder.remembered <= 300


@given(
    st.lists(st.binary(min_size=1, max_size=LONGEST_NLRI), max_size=200),
    st.integers(LONGEST_NLRI, 200),
)
def test_chunks_are_as_full_as_can_be(items: list[bytes], room: int) -> None:
    found = list(chunks(items, room))
    assert b"".join(found) == b"".join(items)
    assert all(0 < len(chunk) <= room for chunk in found)
    left = list(items)
    for chunk in found:
        taken = 0
        while taken < len(chunk):
            taken += len(left.pop(0))
        assert taken == len(chunk)  # no item is cut
        assert not left or taken + len(left[0]) > room
