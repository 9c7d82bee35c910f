"""The metrics of both programs, each with at least one series: all that there can be."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from metallb.api.meta import ObjectKey
from metallb.domain.peers import Peer
from metallb.kube.reflector import ReflectorCounts
from metallb_controller.app.metrics import Metrics as ControllerMetrics
from metallb_controller.reconcile.ledger import vip_target
from metallb_controller.reconcile.model import DeleteVirtualIP, Outcome
from metallb_speaker.bfd.config import BFDConfig, Endpoint
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.control import LATENESS_BOUNDS_SECONDS, AnnouncedLine, counters_line
from metallb_speaker.peering.status import PeerStatus
from metallb_speaker.policy.bfd import BFDSessions
from metallb_speaker.policy.bgp_metrics import BgpMetrics
from metallb_speaker.policy.metrics import Metrics as SpeakerMetrics
from metallb_speaker.policy.peers import Fault, PeerFault
from metallb_speaker.routes.model import Silence, Verdict
from support.objects import class_object, service_object
from support.outcomes import settled

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

VIP = ip_address("10.0.0.1")


def _mirror() -> Any:
    synced = SimpleNamespace(is_set=lambda: True)
    return SimpleNamespace(counts=ReflectorCounts(), is_failing=False, synced=synced)


def controller_registry() -> CollectorRegistry:
    """Give the metrics of a controller that leads."""
    world, leader = settled(
        class_object(ranges=("10.0.0.1", "fd00::1"), nodeSelector={"edge": "yes"}, isDefault=True),
        service_object("a"),
        service_object("b", created="2026-01-02T00:00:00Z"),
    )
    ipam = SimpleNamespace(
        last_success_at=0.0, conflicts=(), errors=Counter(), objects=0, foreign=0
    )
    term = SimpleNamespace(
        reconciler=leader.reconciler, is_loaded=True, mirrors=(_mirror(),), queued_writes=0,
        ipam=ipam,
    )  # fmt: skip
    metrics = ControllerMetrics(lambda: term)
    vip = world.vips()[str(VIP)]
    metrics.count_write(DeleteVirtualIP(vip_target(VIP), vip), Outcome.DONE, 0.01)
    metrics.step_seconds.observe(0.001)
    return metrics.registry


def peer(name: str, **said: Any) -> Peer:
    """Give a peer of this node."""
    usual: dict[str, Any] = {"my_asn": 65001, "peer_asn": 65002, "address": VIP}
    return Peer(name, ("BGPPeer", ObjectKey("m", name)), **usual | said)


def peer_status(name: str, *, is_up: bool = True, **said: Any) -> PeerStatus:
    """Give the status of a session, of which as many messages of each kind were sent as its type
    says, and twice as many received.
    """
    usual: dict[str, Any] = {
        "state_since": 0.0, "local_address": None, "is_dialled": True, "keepalive_seconds": 30.0,
        "retry_at": None, "last_error": None, "routes": 2, "unsent_routes": 1,
        "established_count": 1, "sent": {kind: int(kind) for kind in MessageType},
        "received": {kind: 2 * kind for kind in MessageType}, "malformed_updates": 0,
        "waits_for_bfd": False, "address": VIP,
        "negotiated": SimpleNamespace() if is_up else None,
        "state": State.ESTABLISHED if is_up else State.ACTIVE,
    }  # fmt: skip
    return PeerStatus(name, **usual | said)


def speaking() -> Any:
    """Give what BGP says of itself: a session that is up, and a peer that is refused."""
    verdicts = {
        VIP: SimpleNamespace(shares=((), ()), silence=None),
        ip_address("10.0.0.2"): Verdict(Silence.NO_ENDPOINTS),
    }
    table = SimpleNamespace(verdicts=lambda: verdicts)
    fault = Fault(PeerFault.INVALID, "its port is 0")
    return SimpleNamespace(
        table=table,
        peers={"tor": peer("tor"), "far": peer("far", address=ip_address("fd00::1"), vrf="red")},
        faults={"far": fault},
        statuses=lambda: {"tor": peer_status("tor")},
    )


def speaker_registry() -> CollectorRegistry:
    """Give the metrics of a speaker that announces, and has seen a peer die."""
    world, _ = settled(class_object(isDefault=True), service_object("a"))
    vip = world.vips()[str(VIP)]
    reports: Any = SimpleNamespace(announced={VIP: None}, conflicts=[VIP], failures=0)
    metrics = SpeakerMetrics("n1", reports, lambda _: vip, (_mirror(),))
    metrics.set_peers(["n2"])
    metrics.set_peer("n2", False, "Silent")
    metrics.reflex_connected()
    metrics.told()
    metrics.announced(AnnouncedLine(VIP, 1.0, "NodeDown", "n2", 0.15, ("eth0",)))
    metrics.withdrawn("Released")
    metrics.bfd = BFDSessions(lambda line: None, lambda name, *, is_up: None)
    metrics.bfd.order({"router": BFDConfig(Endpoint(VIP))})
    metrics.bgp = BgpMetrics(speaking())
    metrics.add(
        counters_line(
            lost={"frames": 1}, dropped_frames={"NotOwned": 1}, dropped_heartbeats={"Replayed": 1},
            heartbeats={"sent": 1}, addresses={str(VIP): [1, 1, 1]},
            late_timers=[1] * (len(LATENESS_BOUNDS_SECONDS) + 1), late_seconds=2.0,
            dropped_bfd={"TTL": 1}, bfd=[(Endpoint(VIP), [1] * 6)],
        )
    )  # fmt: skip
    return metrics.registry
