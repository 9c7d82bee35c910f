"""Whether the allocator's books agree; property tests and simulations ask after each step."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.sharing import OUTSIDE_RANK

if TYPE_CHECKING:
    from metallb_controller.allocator.books import Allocation, Books, Pool
    from metallb_controller.allocator.spaces import Span


def check(books: Books) -> None:
    """Compare all indexes with the allocations; raises AssertionError."""
    for address, allocation in books.allocations.items():
        _check_allocation(books, address, allocation)
    for service, addresses in books.by_service.items():
        assert addresses, f"{service} is remembered for nothing"
        for address in addresses:
            assert service in books.allocations[address].holders, f"{address} forgot {service}"
    for name, pool in books.pools.items():
        _check_held(books, name, pool)
        _check_usage(books, name, pool)
        _check_shared(books, name, pool)
        _check_space(books, pool)
    books.retention.check_invariants()


def _check_allocation(books: Books, address: IPAddress, allocation: Allocation) -> None:
    assert allocation.holders, f"{address} is held by nobody"
    assert address in books.pools[allocation.pool].held, f"{address} is not its pool's"
    for service in allocation.holders:
        assert address in books.by_service[service], f"{service} forgot {address}"
    occupancy = allocation.occupancy
    claims = list(allocation.holders.values())
    assert occupancy is not None or not any(claim.sharing_key for claim in claims)
    if occupancy is not None:
        assert occupancy.holders == len(claims), f"{address} miscounts its holders"
        kinds = Counter((claim.sharing_key, claim.backend) for claim in claims)
        assert occupancy.kinds == kinds, f"{address} miscounts who holds it"
        ports = Counter(chain.from_iterable(claim.ports for claim in claims))
        assert occupancy.ports == ports, f"{address} miscounts its ports"
        assert allocation.indexed == {key for key, _ in kinds if key}, f"{address} is lost"


def _check_held(books: Books, name: str, pool: Pool) -> None:
    for address in pool.held:
        assert books.allocations[address].pool == name, f"{address} is of another pool"
    counted = Counter(map(family_of, pool.held))
    assert pool.of_family == {family: counted[family] for family in Family}, f"{name} miscounts"
    outside = {
        address
        for address in pool.held
        if not any(address in span.range and span.gives(address) for span in pool.space.spans)
    }
    assert pool.outside == outside, f"{name} is wrong about {pool.outside ^ outside}"


def _check_usage(books: Books, name: str, pool: Pool) -> None:
    usage: dict[str, Counter[IPAddress]] = {}
    for address in pool.held if pool.space.wanted.namespace_quota else ():
        for holder in books.allocations[address].holders:
            usage.setdefault(holder.namespace, Counter())[address] += 1
    assert pool.usage == usage, f"{name} miscounts what namespaces have"


def _check_shared(books: Books, name: str, pool: Pool) -> None:
    wanted: dict[tuple[Family, str], set[IPAddress]] = {}
    for address in pool.held:
        for key in books.allocations[address].indexed:
            wanted.setdefault((family_of(address), key), set()).add(address)
    found = {key: set(shared.addresses) for key, shared in pool.shared.items()}
    assert found == wanted, f"{name} is wrong about who shares"
    for shared in pool.shared.values():
        shared.check_invariants()
        for address, (rank, occupancy) in shared.addresses.items():
            assert occupancy is books.allocations[address].occupancy, f"{address} is counted twice"
            is_outside = rank[0] == OUTSIDE_RANK
            assert is_outside == (address in pool.outside), f"{address} is ranked wrongly"


def _check_space(books: Books, pool: Pool) -> None:
    for span in pool.space.spans:
        _check_span(books, span)
    for line in pool.space.lines.values():
        line.with_free.check_invariants()
        assert line.count == sum(span.free.count for span in line.spans), "a line miscounts"
        for place, span in enumerate(line.spans):
            assert (place in line.with_free) == bool(span.free.count), f"{span.range} is lost"


def _check_span(books: Books, span: Span) -> None:
    retained = (address for address, _, _ in books.retention)
    taken = {
        int(address)
        for address in chain(books.allocations, retained)
        if address in span.range and span.gives(address)
    }
    assert span.free.count == span.size - len(taken), f"{span.range} miscounts"
    assert not any(number in span.free for number in taken), f"{span.range} gives twice"
    span.free.check_invariants()
