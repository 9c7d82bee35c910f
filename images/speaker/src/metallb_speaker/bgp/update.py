"""UPDATE (RFC 4271 §4.3): building it, and reading it with the verdicts of RFC 7606.

```
    +-----------------------------------------------------+
    |   Withdrawn Routes Length (2 octets)                |
    +-----------------------------------------------------+
    |   Withdrawn Routes (variable)                       |
    +-----------------------------------------------------+
    |   Total Path Attribute Length (2 octets)            |
    +-----------------------------------------------------+
    |   Path Attributes (variable)                        |
    +-----------------------------------------------------+
    |   Network Layer Reachability Information (variable) |
    +-----------------------------------------------------+
```

The order in which an UPDATE is read: its outer lengths, its two fields of prefixes, each attribute
in turn (`received`), and then what the errors found come to together (RFC 7606 §3 (h)). Whatever
demands a session reset is raised. What is to be treated as a withdraw comes out as one: its
prefixes are among the withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.attribute_rules import Approach
from metallb_speaker.bgp.attributes import mp_unreach
from metallb_speaker.bgp.iana import (
    IPV4_UNICAST,
    AttributeCode,
    Family,
    MessageType,
    UpdateSubcode,
    name_of,
)
from metallb_speaker.bgp.messages import frame
from metallb_speaker.bgp.nlri import NlriError
from metallb_speaker.bgp.received import (
    AttributeReader,
    Problem,
    UpdateOptions,
    read_prefixes,
    reset,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_speaker.bgp.errors import NotificationError
    from metallb_speaker.bgp.prefixes import Prefix

_EMPTY: Final = bytes(4)


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE that was read; prefixes of both families, each knows its own.

    `attributes` has the values of the attributes by their type, well-formed ones only.
    `announced_path_ids` is parallel to `announced` when families have path identifiers.
    """

    withdrawn: tuple[Prefix, ...] = ()
    announced: tuple[Prefix, ...] = ()
    attributes: Mapping[int, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    end_of_rib: Family | None = None
    announced_path_ids: tuple[int, ...] = ()


def parse_update(body: bytes, options: UpdateOptions) -> Update:
    """Read the body of an UPDATE; raises NotificationError when the session must be reset."""
    if body == _EMPTY:
        return Update(end_of_rib=IPV4_UNICAST)
    withdrawn_field, attributes_field, nlri_field = _cut(body)
    try:
        withdrawn, _ = read_prefixes(withdrawn_field, IPV4_UNICAST, options)
        announced, path_ids = read_prefixes(nlri_field, IPV4_UNICAST, options)
    except NlriError as error:
        raise reset(UpdateSubcode.INVALID_NETWORK_FIELD, why=str(error)) from error
    reader = AttributeReader(options)
    reader.read(attributes_field)
    if announced or reader.announced:
        _check_mandatory(reader, has_nlri=bool(announced), is_internal=options.is_internal)
    withdrawn += reader.withdrawn
    announced += reader.announced
    path_ids += reader.announced_path_ids
    if any(problem.approach is Approach.TREAT_AS_WITHDRAW for problem in reader.problems):
        if not announced and not reader.has_ignored_nlri:
            raise _nothing_reached(reader)
        # RFC 7606 §2: "as though all contained routes had been withdrawn"
        withdrawn, announced, path_ids = withdrawn + announced, [], []
    return Update(
        withdrawn=tuple(withdrawn),
        announced=tuple(announced),
        attributes=reader.values,
        problems=tuple(reader.problems),
        end_of_rib=_end_of_rib(reader) if not (withdrawn_field or nlri_field) else None,
        announced_path_ids=tuple(path_ids),
    )


def _cut(body: bytes) -> tuple[bytes, bytes, bytes]:
    """The three fields; lengths that are too large cannot be helped (RFC 7606 §3 (b))."""
    withdrawn_end = 2 + int.from_bytes(body[:2], "big")
    attributes_at = withdrawn_end + 2
    attributes_end = attributes_at + int.from_bytes(body[withdrawn_end:attributes_at], "big")
    if attributes_at > len(body) or attributes_end > len(body):
        why = "the lengths of its fields exceed the message"
        raise reset(UpdateSubcode.MALFORMED_ATTRIBUTE_LIST, why=why)
    return body[2:withdrawn_end], body[attributes_at:attributes_end], body[attributes_end:]


def _check_mandatory(reader: AttributeReader, *, has_nlri: bool, is_internal: bool) -> None:
    """RFC 7606 §3 (d), with what RFC 4271 §5 and §5.1.5 want; RFC 4760 §3 of NEXT_HOP."""
    wanted = [AttributeCode.ORIGIN, AttributeCode.AS_PATH]
    if has_nlri:
        wanted.append(AttributeCode.NEXT_HOP)
    if is_internal:
        wanted.append(AttributeCode.LOCAL_PREF)
    subcode = UpdateSubcode.MISSING_WELL_KNOWN_ATTRIBUTE
    reader.problems += (
        Problem(code, Approach.TREAT_AS_WITHDRAW, subcode, "missing")
        for code in wanted
        if code not in reader.seen
    )


def _nothing_reached(reader: AttributeReader) -> NotificationError:
    """RFC 7606 §5.2: "we cannot be confident that the NLRI have been successfully parsed"."""
    worst = next(p for p in reader.problems if p.approach is Approach.TREAT_AS_WITHDRAW)
    name = name_of(AttributeCode, worst.attribute)
    return reset(worst.subcode, reader.blamed, f"{name}: {worst.why}, and no NLRI")


def _end_of_rib(reader: AttributeReader) -> Family | None:
    """RFC 4724 §2: "only the MP_UNREACH_NLRI attribute with no withdrawn routes"."""
    if reader.withdrawn or reader.seen != {AttributeCode.MP_UNREACH_NLRI}:
        return None
    return reader.unreached


def update_message(withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    """Write a whole UPDATE of parts that are encoded already."""
    body = b"".join(
        (
            len(withdrawn).to_bytes(2, "big"),
            withdrawn,
            len(attributes).to_bytes(2, "big"),
            attributes,
            nlri,
        )
    )
    return frame(MessageType.UPDATE, body)


def end_of_rib(family: Family) -> bytes:
    """A whole End-of-RIB marker (RFC 4724 §2)."""
    if family == IPV4_UNICAST:
        return update_message()
    return update_message(attributes=mp_unreach(family, b""))
