"""Who names which sharing key: those whom a change of a shared address may concern."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb_controller.allocator.model import Claim


class Sharers:
    """Services that name a sharing key, with their claims."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[ObjectKey, Claim]] = {}
        self._key_of: dict[ObjectKey, str] = {}

    def remember(self, service: ObjectKey, claim: Claim) -> None:
        """Take in what a Service claims, with a key or without."""
        self.forget(service)
        if claim.sharing_key:
            self._key_of[service] = claim.sharing_key
            self._claims.setdefault(claim.sharing_key, {})[service] = claim

    def forget(self, service: ObjectKey) -> None:
        """Take in that a Service claims nothing."""
        key = self._key_of.pop(service, "")
        if key:
            del self._claims[key][service]
            if not self._claims[key]:
                del self._claims[key]

    def under(self, sharing_key: str) -> dict[ObjectKey, Claim]:
        """Give the claims under a key; none under the empty one."""
        return self._claims.get(sharing_key, {})
