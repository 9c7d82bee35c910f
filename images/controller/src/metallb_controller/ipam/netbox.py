"""NetBox's REST API as we use it: what is asked for, what is sent, and how answers are read.

Objects are of ``/api/ipam/ip-addresses/``: an address with its mask as text, a VRF or none (the
global table), status, role, description, DNS name, tags. Lists come in pages: ``count``, ``next``,
``results``. The bytes are moved by `metallb_controller.app.netbox`.

Only IP addresses count as in use, of whatever status and role. Prefixes and IP ranges do not: they
say what addresses are for, and one that says "for the load balancer" would close our own pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_interface, summarize_address_range
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from metallb.net.addresses import IPAddress, family_of, unmapped
from metallb.net.ranges import AddressRange, address_at
from metallb_controller.allocator.model import ForeignUse
from metallb_controller.ipam.model import Entry, Failure, IpamError, Registered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb.api.fields import JsonObject

ADDRESSES: Final = "/api/ipam/ip-addresses/"
TAGS: Final = "/api/extras/tags/"

PAGE_SIZE: Final = 1000
"""The most that NetBox gives by default (`MAX_PAGE_SIZE`)."""

PREFIXES_AT_ONCE: Final = 50
"""So many in one query, so that no URL is longer than proxies like."""

STATUS: Final = "active"
ROLE: Final = "vip"

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Labels:
    """What marks our objects: the slug of a tag, and the ID of a VRF (None: the global table)."""

    tag: str
    vrf_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `following` is the query of the next one, None after the last."""

    count: int
    results: tuple[JsonObject, ...]
    following: Query | None


def read_page(body: Any) -> Page:
    """Read a page; raises IpamError when it is none.

    Of `next` only the query is used: behind a proxy its scheme and host may be wrong, and our token
    goes to nobody but the server that was named to us.
    """
    try:
        following = body["next"]
        query = None if following is None else parse_qsl(urlsplit(following).query)
        results = tuple(body["results"])
        if not all(isinstance(item, dict) for item in results):
            raise TypeError("an item is no object")
        return Page(int(body["count"]), results, query)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise IpamError(Failure.MALFORMED, f"the answer is no page of a list: {error!r}") from error


def query_of_ours(labels: Labels) -> Query:
    """Ask for all objects of ours, of whatever VRF."""
    return [("tag", labels.tag), *_paging()]


def queries_of_others(ranges: Sequence[AddressRange], labels: Labels) -> Iterator[Query]:
    """Ask for all objects of the VRF in some ranges, by the prefixes that they are the sum of."""
    prefixes = [
        str(prefix)
        for item in ranges
        for prefix in summarize_address_range(
            address_at(item.family, item.first),
            address_at(item.family, item.last),
        )
    ]
    vrf = "null" if labels.vrf_id is None else str(labels.vrf_id)
    for start in range(0, len(prefixes), PREFIXES_AT_ONCE):
        parents = [("parent", item) for item in prefixes[start : start + PREFIXES_AT_ONCE]]
        yield [*parents, ("vrf_id", vrf), *_paging()]


def _paging() -> Query:
    """Ask for large pages, in an order in which new objects come last."""
    return [("limit", str(PAGE_SIZE)), ("ordering", "id")]


def body_of(entry: Entry, labels: Labels) -> JsonObject:
    """Give what is sent for an entry."""
    return {
        "address": _with_mask(entry.address),
        "vrf": labels.vrf_id,
        "status": STATUS,
        "role": ROLE,
        "description": entry.description,
        "dns_name": entry.hostname,
        "tags": [{"slug": labels.tag}],
    }


def change_of(entry: Entry, labels: Labels) -> JsonObject:
    """Give what is sent to change an object; tags that others added to it stay."""
    return {name: value for name, value in body_of(entry, labels).items() if name != "tags"}


def _with_mask(address: IPAddress) -> str:
    return f"{address}/{address.max_prefixlen}"


def has_tag(found: JsonObject, labels: Labels) -> bool:
    """Tell whether an object is ours."""
    tags = found.get("tags")
    return isinstance(tags, list) and any(
        isinstance(item, dict) and item.get("slug") == labels.tag for item in tags
    )


def read_registered(found: JsonObject, labels: Labels) -> Registered:
    """Read an object of ours; raises IpamError when it cannot be understood."""
    try:
        number, interface = int(found["id"]), ip_interface(str(found["address"]))
    except (KeyError, TypeError, ValueError) as error:
        raise IpamError(Failure.MALFORMED, f"an IP address cannot be read: {error!r}") from error
    vrf = found.get("vrf")
    is_whole = (
        interface.network.num_addresses == 1
        and _choice(found.get("status")) == STATUS
        and _choice(found.get("role")) == ROLE
        and (vrf.get("id") if isinstance(vrf, dict) else vrf) == labels.vrf_id
    )
    description, hostname = (str(found.get(name) or "") for name in ("description", "dns_name"))
    return Registered(number, Entry(unmapped(interface.ip), description, hostname), is_whole)


def read_use(found: JsonObject) -> ForeignUse:
    """Read an object of others; raises IpamError when it cannot be understood.

    One that has neither description nor DNS name is told by its ID, by which a person finds it.
    """
    try:
        address = unmapped(ip_interface(str(found["address"])).ip)
    except (KeyError, ValueError) as error:
        raise IpamError(Failure.MALFORMED, f"an IP address cannot be read: {error!r}") from error
    words = found.get("description") or found.get("dns_name") or f"IP address {found.get('id')}"
    number = int(address)
    return ForeignUse(AddressRange(family_of(address), number, number), str(words))


def _choice(found: Any) -> Any:
    """Read a field of choices: an object in answers, a bare value in requests."""
    return found.get("value") if isinstance(found, dict) else found
