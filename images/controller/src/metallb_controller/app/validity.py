"""Keeps the condition `Valid` of the kinds that are no pools: see
`metallb_controller.reconcile.validity`.

Each look judges all objects anew, since a change of one may be about another; between two of them
others get their turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from metallb_controller.app.following import Follower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metallb.kube.client import ApiClient, Resource
    from metallb.kube.reflector import Reflector
    from metallb_controller.reconcile.engine import Reconciler
    from metallb_controller.reconcile.validity import Validity


class ValidityStatuses(Follower):
    """All kinds of `places`; `judged` is called when what is wrong has changed."""

    def __init__(
        self,
        client: ApiClient,
        reconciler: Reconciler,
        validity: Validity,
        places: Mapping[str, Resource],
        mirrors: Iterable[Reflector[Any]],
        wall_clock: Callable[[], str],
        judged: Callable[[], None],
    ) -> None:
        super().__init__(mirrors)
        self._client = client
        self._reconciler = reconciler
        self._validity = validity
        self._places = places
        self._wall_clock = wall_clock
        self._judged = judged
        self.has_looked = False
        """Whether all objects have been judged once."""

    async def _look(self) -> None:
        before = self._validity.verdicts
        for _ in self._validity.review(self._reconciler.catalogue.all_problems()):
            await asyncio.sleep(0)
        if not self.has_looked or self._validity.verdicts != before:
            self.has_looked = True
            self._judged()
        for patch in self._validity.patches(self._wall_clock()):
            resource = self._places[patch.kind]
            request = self._client.patch(
                resource,
                patch.key.name,
                patch.body,
                namespace=patch.key.namespace,
                subresource="status",
            )
            await self._write(resource, patch.key, request)
