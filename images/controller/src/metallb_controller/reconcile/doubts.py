"""How writes have failed: refused, or without a word; and which objects are gone for certain.

A write that got no answer may have been carried out all the same. Until its object is seen at
another version, a VirtualIP is written again though it seems to be right, and an address that a
Service's status may show is not given to anybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_controller.reconcile.model import Outcome

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP
    from metallb.net.addresses import IPAddress
    from metallb_controller.reconcile.model import PatchServiceStatus

_STRUCK_REMEMBERED = 10_000
"""Deleted VirtualIPs that late events may still speak of."""


class Doubts:
    """What is not known for certain, by object."""

    def __init__(self) -> None:
        self._statuses: dict[ObjectKey, str] = {}
        self._vips: dict[IPAddress, str] = {}
        self._struck: dict[str, None] = {}
        self._refusals: dict[IPAddress, str] = {}

    # -- Services ----------------------------------------------------------------------------------

    def is_doubtful_status(self, key: ObjectKey) -> bool:
        """Tell whether a status patch may have taken effect unseen."""
        return key in self._statuses

    def patch_failed(
        self, write: PatchServiceStatus, outcome: Outcome, seen: Service | None
    ) -> None:
        """Take in that a patch failed; with no answer, and nothing seen since, it is doubtful."""
        is_last = seen is not None and seen.meta.resource_version == write.resource_version
        if outcome is Outcome.FAILED and is_last:
            self._statuses[write.target.key] = write.resource_version

    def patch_answered(self, key: ObjectKey) -> None:
        """Take in that a patch was answered, or that the Service is gone."""
        self._statuses.pop(key, None)

    def saw_service(self, key: ObjectKey, service: Service | None) -> None:
        """Take in a Service as it is now."""
        before = self._statuses.get(key)
        if before is not None and (service is None or service.meta.resource_version != before):
            del self._statuses[key]

    # -- VirtualIPs --------------------------------------------------------------------------------

    def is_doubtful_vip(self, address: IPAddress) -> bool:
        """Tell whether a write to the ledger may have taken effect unseen."""
        return address in self._vips

    def vip_unanswered(self, seen: VirtualIP) -> None:
        """Take in that a write to an entry, as it was seen last, got no answer."""
        self._vips[seen.spec.address] = seen.meta.resource_version

    def saw_vip(self, address: IPAddress, vip: VirtualIP | None) -> None:
        """Take in a ledger entry as it is now."""
        before = self._vips.get(address)
        if before is not None and (vip is None or vip.meta.resource_version != before):
            del self._vips[address]

    def vip_refused(self, address: IPAddress, words: str) -> None:
        """Take in that the server does not take an entry, for a reason that will not go away."""
        self._refusals[address] = words or "no reason is given"

    def vip_answered(self, address: IPAddress) -> None:
        """Take in that a write to an entry has succeeded."""
        self._refusals.pop(address, None)

    def refusal(self, address: IPAddress) -> str:
        """Tell why the server does not take an entry; empty: it does, as far as is known."""
        return self._refusals.get(address, "")

    def strike(self, vip: VirtualIP) -> None:
        """Take in that an entry is gone, ahead of the watch, which may yet speak of it."""
        self._struck[vip.meta.uid] = None
        while len(self._struck) > _STRUCK_REMEMBERED:
            del self._struck[next(iter(self._struck))]

    def is_struck(self, vip: VirtualIP) -> bool:
        """Tell whether an entry is known to be gone, so that this is an old view of it."""
        return vip.meta.uid in self._struck
