"""The Path Attributes field of a peer's UPDATE: cut into attributes, and each judged.

The field is walked once. An attribute that cannot be cut out ends the walk with treat-as-withdraw
(RFC 7606 §4): where the NLRI field begins is still known. What makes the prefixes themselves
unknowable resets the session: a broken MP_REACH_NLRI or MP_UNREACH_NLRI (§3 (j), §7.11), or two of
either (§3 (g)). Values are kept as octets: nobody uses a peer's routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.attribute_rules import RULES, Approach
from metallb_speaker.bgp.attributes import OPTIONAL_NON_TRANSITIVE, OPTIONAL_TRANSITIVE
from metallb_speaker.bgp.errors import NotificationError
from metallb_speaker.bgp.iana import (
    ADDRESS_OCTETS,
    IPV4_UNICAST,
    Afi,
    AttributeCode,
    AttributeFlag,
    ErrorCode,
    Family,
    UpdateSubcode,
    name_of,
)
from metallb_speaker.bgp.nlri import NlriError, read_nlri, read_nlri_with_path_ids

if TYPE_CHECKING:
    from metallb_speaker.bgp.prefixes import Prefix

_CLASS: Final = OPTIONAL_TRANSITIVE
"""The two flags that say of which class an attribute is."""

_MP: Final = (AttributeCode.MP_REACH_NLRI, AttributeCode.MP_UNREACH_NLRI)
_MP_REACH_MIN: Final = 5
_MP_UNREACH_MIN: Final = 3
_NEXT_HOP_AT: Final = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in an attribute (0: in the list of them), and what was done about it."""

    attribute: int
    approach: Approach
    subcode: UpdateSubcode
    why: str

    def __str__(self) -> str:
        name = name_of(AttributeCode, self.attribute) if self.attribute else "attributes"
        return f"{name}: {self.why}: {self.approach.value}"


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """What the reading of an UPDATE depends on: both sides' capabilities, and whose peer it is.

    `add_path` names the families whose NLRI have path identifiers in this direction (RFC 7911 §3);
    `extended_next_hop` those whose next hops may be of the other family (RFC 8950 §4).
    """

    is_internal: bool
    four_octet_as: bool
    families: frozenset[Family] = frozenset((IPV4_UNICAST,))
    add_path: frozenset[Family] = frozenset()
    extended_next_hop: frozenset[Family] = frozenset()


def reset(subcode: UpdateSubcode, data: bytes = b"", why: str = "") -> NotificationError:
    """What a session reset says."""
    return NotificationError(ErrorCode.UPDATE_MESSAGE_ERROR, subcode, data, why)


def read_prefixes(
    data: bytes, family: Family, options: UpdateOptions
) -> tuple[list[Prefix], list[int]]:
    """Prefixes of a field, and their path identifiers if there are any; raises NlriError."""
    bits_max = 8 * ADDRESS_OCTETS[family.afi]
    if family not in options.add_path:
        return read_nlri(data, family.afi, bits_max), []
    paths = read_nlri_with_path_ids(data, family.afi, bits_max)
    return [prefix for _, prefix in paths], [path_id for path_id, _ in paths]


class AttributeReader:
    """One walk over the field; what it found is in its attributes afterwards."""

    def __init__(self, options: UpdateOptions) -> None:
        self.values: dict[int, bytes] = {}
        """By type; those that were discarded are not here."""
        self.problems: list[Problem] = []
        self.blamed = b""
        """The attribute of the first error that is treated as a withdraw."""
        self.announced: list[Prefix] = []
        self.announced_path_ids: list[int] = []
        self.withdrawn: list[Prefix] = []
        self.unreached: Family | None = None
        """The family of MP_UNREACH_NLRI, when it was negotiated."""
        self.has_ignored_nlri = False
        """Whether there was an MP_REACH_NLRI of a family that was not negotiated."""
        self.seen: set[int] = set()
        """The types of all attributes, well-formed or not."""
        self._options = options

    def read(self, data: bytes) -> None:
        """Walk over the field; raises NotificationError when the session must be reset."""
        at, end = 0, len(data)
        while at < end:
            flags = data[at]
            value_at = at + (4 if flags & AttributeFlag.EXTENDED_LENGTH else 3)
            if value_at > end:
                self._withdraw(0, data[at:], "fewer octets left than an attribute's head (§4)")
                return
            code = data[at + 1]
            following = value_at + int.from_bytes(data[at + 2 : value_at], "big")
            if following > end:
                if code in _MP:
                    raise _mp_error(code, data[at:], "overruns the attributes")
                self._withdraw(code, data[at:], "overruns the attributes (§4)")
                return
            self._take(flags, code, data[value_at:following], data[at:following])
            at = following

    def _withdraw(
        self,
        code: int,
        raw: bytes,
        why: str,
        subcode: UpdateSubcode = UpdateSubcode.MALFORMED_ATTRIBUTE_LIST,
    ) -> None:
        self.blamed = self.blamed or raw
        self.problems.append(Problem(code, Approach.TREAT_AS_WITHDRAW, subcode, why))

    def _discard(self, code: int, why: str, subcode: UpdateSubcode) -> None:
        self.problems.append(Problem(code, Approach.ATTRIBUTE_DISCARD, subcode, why))

    def _take(self, flags: int, code: int, value: bytes, raw: bytes) -> None:
        """Judge one attribute."""
        if code in self.seen:
            self._take_again(code, raw)
            return
        self.seen.add(code)
        if code == AttributeCode.MP_REACH_NLRI:
            self._check_mp_flags(flags, code, raw)
            self._take_mp_reach(value, raw)
        elif code == AttributeCode.MP_UNREACH_NLRI:
            self._check_mp_flags(flags, code, raw)
            self._take_mp_unreach(value, raw)
        elif code in RULES:
            self._take_by_rule(flags, code, value, raw)
        elif flags & AttributeFlag.OPTIONAL:
            self.values[code] = value
        else:
            # RFC 4271 §6.3: "If any of the well-known mandatory attributes are not recognized"
            raise reset(UpdateSubcode.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, raw, f"type {code}")

    def _take_again(self, code: int, raw: bytes) -> None:
        """RFC 7606 §3 (g)."""
        if code in _MP:
            raise reset(
                UpdateSubcode.MALFORMED_ATTRIBUTE_LIST,
                why=f"{name_of(AttributeCode, code)} appears twice",
            )
        self._discard(code, "appears again", UpdateSubcode.MALFORMED_ATTRIBUTE_LIST)

    def _take_by_rule(self, flags: int, code: int, value: bytes, raw: bytes) -> None:
        rule, options = RULES[code], self._options
        if rule.is_internal_only and not options.is_internal:
            # RFC 7606 §7.5, §7.9, §7.10
            self._discard(code, "from an external peer", rule.subcode)
            return
        if (flags ^ rule.flags) & _CLASS:
            why = f"flags 0x{flags:02x} (§3 (c))"
            self._withdraw(code, raw, why, UpdateSubcode.ATTRIBUTE_FLAGS_ERROR)
            return
        why_not = rule.check(value, options.four_octet_as)
        if why_not is None:
            self.values[code] = value
        elif rule.approach is Approach.ATTRIBUTE_DISCARD:
            self._discard(code, why_not, rule.subcode)
        else:
            self._withdraw(code, raw, why_not, rule.subcode)

    def _check_mp_flags(self, flags: int, code: int, raw: bytes) -> None:
        if (flags ^ OPTIONAL_NON_TRANSITIVE) & _CLASS:
            why = f"flags 0x{flags:02x} (§3 (c))"
            self._withdraw(code, raw, why, UpdateSubcode.ATTRIBUTE_FLAGS_ERROR)

    def _take_mp_reach(self, value: bytes, raw: bytes) -> None:
        """RFC 4760 §3: family, length of the next hop, next hop, a reserved octet, NLRI."""
        if len(value) < _MP_REACH_MIN:
            raise _mp_error(AttributeCode.MP_REACH_NLRI, raw, f"{len(value)} octets")
        family = _family(value)
        if family not in self._options.families:
            self.has_ignored_nlri = True
            self._ignore(AttributeCode.MP_REACH_NLRI, family)
            return
        length = value[3]
        nlri_at = _NEXT_HOP_AT + length + 1
        if length not in self._next_hop_lengths(family) or nlri_at > len(value):
            # RFC 7606 §7.11: "it will not be possible to reliably locate the NLRI"
            why = f"a next hop of {length} octets"
            raise _mp_error(AttributeCode.MP_REACH_NLRI, raw, why)
        self.values[AttributeCode.MP_REACH_NLRI] = value
        try:
            self.announced, self.announced_path_ids = read_prefixes(
                value[nlri_at:], family, self._options
            )
        except NlriError as error:
            raise _mp_error(AttributeCode.MP_REACH_NLRI, raw, str(error)) from error

    def _take_mp_unreach(self, value: bytes, raw: bytes) -> None:
        """RFC 4760 §4: family, NLRI."""
        if len(value) < _MP_UNREACH_MIN:
            raise _mp_error(AttributeCode.MP_UNREACH_NLRI, raw, f"{len(value)} octets")
        family = _family(value)
        if family not in self._options.families:
            self._ignore(AttributeCode.MP_UNREACH_NLRI, family)
            return
        self.unreached = family
        self.values[AttributeCode.MP_UNREACH_NLRI] = value
        try:
            self.withdrawn, _ = read_prefixes(value[_MP_UNREACH_MIN:], family, self._options)
        except NlriError as error:
            raise _mp_error(AttributeCode.MP_UNREACH_NLRI, raw, str(error)) from error

    def _ignore(self, code: AttributeCode, family: Family) -> None:
        """Nothing of a family that was not negotiated is looked at (RFC 4760 §7, "ignore")."""
        why = f"{family} was not negotiated"
        self._discard(code, why, UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR)

    def _next_hop_lengths(self, family: Family) -> tuple[int, ...]:
        """RFC 2545 §3: an IPv6 next hop may have a link-local one beside it; RFC 8950 §3."""
        if family.afi == Afi.IPV6:
            return (16, 32)
        return (4, 16, 32) if family in self._options.extended_next_hop else (4,)


def _family(value: bytes) -> Family:
    return Family(int.from_bytes(value[:2], "big"), value[2])


def _mp_error(code: int, raw: bytes, why: str) -> NotificationError:
    """RFC 4760 §7; RFC 4271 §6.3: the Data field has the attribute (type, length and value)."""
    why = f"{name_of(AttributeCode, code)}: {why}"
    return reset(UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR, raw, why)
