"""Why speakers announce a VIP to nobody by BGP, told to the Services that hold it.

Speakers say in the VIP's status what somebody has to mend (`BGPAnnouncer.reason`). When the first
of them does, an Event is posted about each Service, in the same word; the others add nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_controller.reconcile.model import PostEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.api.virtual_ips import VirtualIP


def tell_silence(
    before: VirtualIP | None, vip: VirtualIP, services: Mapping[ObjectKey, Service]
) -> Iterator[PostEvent]:
    """Give the Events about a VIP that has changed; `before` None: nothing is known of it."""
    if before is None or before.status.bgp == vip.status.bgp:
        return
    known = {item.reason for item in before.status.bgp}
    said = {item.reason: item.node for item in reversed(vip.status.bgp) if item.reason}
    for reason, node in said.items():
        if reason not in known:
            text = f"{vip.spec.address} is announced to no peer, as node {node} finds: {reason}"
            for key in vip.spec.services:
                if key in services:
                    yield PostEvent(services[key].reference(), True, reason, text)
