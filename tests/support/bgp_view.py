"""What a peer makes of what a session of ours sends: its routes, read by our own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_speaker.bgp.iana import AttributeCode, Family
from metallb_speaker.bgp.messages import MessageReader, RawUpdate
from metallb_speaker.bgp.negotiation import FAMILIES
from metallb_speaker.bgp.received import UpdateOptions
from metallb_speaker.bgp.update import parse_update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_speaker.bgp.messages import Message
    from metallb_speaker.bgp.prefixes import Prefix
    from metallb_speaker.bgp.session import Session


class View:
    """The peer of one connection."""

    def __init__(self, session: Session) -> None:
        negotiated = session.negotiated
        assert negotiated is not None
        self._session = session
        self._reader = MessageReader(negotiated.max_message)
        self._options = UpdateOptions(
            is_internal=negotiated.is_internal,
            four_octet_as=negotiated.four_octet_as,
            families=frozenset(FAMILIES.values()),
            add_path=frozenset(FAMILIES[afi] for afi in negotiated.add_path),
            extended_next_hop=frozenset(FAMILIES.values()),
        )
        self.routes: dict[Prefix, Mapping[int, bytes]] = {}
        self.next_hops: dict[Prefix, bytes] = {}
        self.ends: list[Family] = []
        self.messages: list[Message] = []
        self.heard = 0
        """UPDATEs."""

    def forget(self) -> None:
        """Begin to look anew."""
        self.routes.clear()
        self.messages.clear()
        self.ends.clear()

    def hear(self) -> None:
        """Take all that the session has to say."""
        while self.hear_once():
            pass

    def hear_once(self) -> bool:
        """Take as much as is written at once; tells whether there was any."""
        data = self._session.data_to_send()
        self._reader.feed(data)
        while (message := self._reader.next_message()) is not None:
            self.messages.append(message)
            if isinstance(message, RawUpdate):
                self._take(message)
        return bool(data)

    def _take(self, message: RawUpdate) -> None:
        update = parse_update(message.body, self._options)
        assert not update.problems
        self.heard += 1
        if update.end_of_rib is not None:
            self.ends.append(update.end_of_rib)
        for prefix in update.withdrawn:
            del self.routes[prefix]  # what it never had must not be withdrawn
        for prefix in update.announced:
            self.routes[prefix] = update.attributes
            self.next_hops[prefix] = update.attributes.get(AttributeCode.NEXT_HOP, b"")

    def med(self, prefix: Prefix) -> int | None:
        """The MED of a route."""
        value = self.routes[prefix].get(AttributeCode.MULTI_EXIT_DISC)
        return None if value is None else int.from_bytes(value, "big")

    def communities(self, prefix: Prefix) -> tuple[int, ...]:
        """The communities of a route."""
        value = self.routes[prefix].get(AttributeCode.COMMUNITIES, b"")
        return tuple(int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4))
