"""Admission in a replica: mirrors of all kinds that are judged, and the answers.

Every replica answers, leading or not, so every one has its own mirrors of what objects are judged
against. They may lag a moment behind, and until the first list nothing is known of others: then an
object is judged alone, and what is wrong between two of them is told by their conditions.

Who holds addresses of a pool is asked of the API server when a pool is deleted, which is rare; the
answer waits for it no longer than `HOLDERS_SECONDS`, and goes without it then.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields, Problem
from metallb.api.meta import GROUP, NATIVE_GROUP, ObjectKey
from metallb.api.virtual_ips import read_virtual_ip
from metallb.domain.address_pools import PoolKind, pool_key
from metallb.domain.everything import Everything
from metallb.kube.client import Resource
from metallb.kube.errors import TRANSPORT_ERRORS, ApiError
from metallb.kube.reflector import Reflector
from metallb_controller.admission.kinds import KINDS
from metallb_controller.admission.reviews import answer, question_of
from metallb_controller.admission.verdicts import judge
from metallb_controller.app.resources import VIRTUAL_IPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metallb.kube.client import ApiClient, JsonObject
    from metallb.kube.reflector import Key
    from metallb_controller.admission.questions import Question

HOLDERS_SECONDS = 2.0

_PLACES = {
    "MetalLoadBalancerClass": Resource(GROUP, "v1alpha1", "metalloadbalancerclasses", False),
    "MetalLoadBalancerPool": Resource(GROUP, "v1alpha1", "metalloadbalancerpools", False),
    "MetalLoadBalancerBGPPeer": Resource(GROUP, "v1alpha1", "metalloadbalancerbgppeers", False),
    "MetalLoadBalancerConfiguration": Resource(
        GROUP, "v1alpha1", "metalloadbalancerconfigurations", False
    ),
    "IPAddressPool": Resource(NATIVE_GROUP, "v1beta1", "ipaddresspools"),
    "L2Advertisement": Resource(NATIVE_GROUP, "v1beta1", "l2advertisements"),
    "BGPAdvertisement": Resource(NATIVE_GROUP, "v1beta1", "bgpadvertisements"),
    "BGPPeer": Resource(NATIVE_GROUP, "v1beta2", "bgppeers"),
    "BFDProfile": Resource(NATIVE_GROUP, "v1beta1", "bfdprofiles"),
    "Community": Resource(NATIVE_GROUP, "v1beta1", "communities"),
}

log = logging.getLogger(__name__)


class Admission:
    """Judges objects; its mirrors are to be run beside it."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.everything = Everything()
        self.mirrors: list[Reflector[Any]] = [
            Reflector(
                client,
                _PLACES[name],
                kind.read,
                partial(self._on_change, name),
                chance=random.random,
            )
            for name, kind in KINDS.items()
        ]

    def _on_change(self, kind: str, key: Key, old: object, new: object) -> None:
        if new is None:
            self.everything.remove(kind, ObjectKey(*key))
        else:
            self.everything.put(kind, new)

    async def review(self, review: Any) -> JsonObject:
        """Answer an AdmissionReview; raises ReviewError."""
        question = question_of(review)
        holders = await self._holders(question)
        return answer(question, judge(question, self.everything, self._namespace, holders))

    async def _holders(self, question: Question) -> Sequence[Sequence[ObjectKey]]:
        """Find the Services of each address of a pool that is about to be deleted."""
        kind = KINDS.get(question.kind)
        if question.value is not None or kind is None or not kind.ranges:
            return ()
        name = Fields(question.before or {}).child("metadata").text("name")
        try:
            async with asyncio.timeout(HOLDERS_SECONDS):
                return await self._held(pool_key(PoolKind(kind.name), name))
        except (ApiError, *TRANSPORT_ERRORS) as error:
            log.warning("who holds addresses of %s %s is not known: %s", kind.name, name, error)
            return ()

    async def _held(self, pool: str) -> list[Sequence[ObjectKey]]:
        found: list[Sequence[ObjectKey]] = []
        async with aclosing(self._client.list_pages(VIRTUAL_IPS)) as pages:
            async for page in pages:
                for value in page.items:
                    vip = read_virtual_ip(value)
                    if not isinstance(vip, Problem) and vip.spec.pool == pool and vip.spec.services:
                        found.append(vip.spec.services)
        return found
