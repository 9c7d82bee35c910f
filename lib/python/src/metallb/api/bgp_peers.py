"""BGPPeer (metallb.io, v1beta2 and v1beta1): a router with which nodes open BGP sessions.

The older version has fewer fields, of the same names; what is different in what they mean (a zero
timer) is the conversion's affair (`metallb.domain.peer_conversion`). What is malformed is noted; a
peer is of use (`is_usable`) when it says with whom and as whom to speak.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metallb.api.durations import read_duration
from metallb.api.fields import Fields, Problem, shown
from metallb.api.meta import NATIVE_GROUP, Metadata, Named, ObjectKey, read_metadata
from metallb.api.selectors import LabelSelector, read_selectors
from metallb.api.session_options import Around, SessionOptions, read_session_options
from metallb.net.addresses import IPAddress, parse_address

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

KIND = "BGPPeer"
API_VERSION = f"{NATIVE_GROUP}/v1beta2"
ASN_MAX = 2**32 - 1
PORT = 179
_SECOND = 1_000_000_000
_HOLD_SECONDS_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Timers:
    """Timers of a session, in seconds; None: as the settings say.

    `hold` is a whole number, 0 or at least 3 (RFC 4271 §4.2). Of hold and keepalive the one that is
    not said follows from the other, as 3 to 1.
    """

    hold: int | None = None
    keepalive: float | None = None
    connect: int | None = None


@dataclass(frozen=True, slots=True)
class BGPPeer(Named):
    """A peer as it was written; `problems` are those of the object itself."""

    api_version = API_VERSION
    object_kind = KIND

    meta: Metadata
    my_asn: int
    peer_asn: int
    dynamic_asn: str
    local_asn: int
    address: IPAddress | None
    interface: str
    source_address: IPAddress | None
    port: int
    timers: Timers
    router_id: IPAddress | None
    node_selectors: tuple[LabelSelector, ...]
    password: str = field(repr=False)
    password_secret: ObjectKey | None
    bfd_profile: str
    is_graceful_restart: bool
    is_multi_hop: bool
    vrf: str
    is_dual_stack: bool
    options: SessionOptions
    problems: tuple[Problem, ...]

    @property
    def is_usable(self) -> bool:
        """Whether a session can be opened by what is said here."""
        has_asn = self.peer_asn or self.dynamic_asn
        return bool(self.my_asn and has_asn and (self.address or self.interface))


def read_bgp_peer(value: JsonObject) -> BGPPeer:
    """Read a BGPPeer object of either version; never raises, see `problems` of the result."""
    fields = Fields(value)
    spec = fields.child("spec")
    peer = BGPPeer(
        meta=read_metadata(fields),
        my_asn=spec.integer("myASN", 0, 1, ASN_MAX),
        peer_asn=spec.integer("peerASN", 0, 0, ASN_MAX),
        dynamic_asn=spec.choice("dynamicASN", ("", "internal", "external"), ""),
        local_asn=spec.integer("localASN", 0, 1, ASN_MAX),
        address=read_address(spec, "peerAddress"),
        interface=spec.text("interface"),
        source_address=read_address(spec, "sourceAddress"),
        port=spec.integer("peerPort", PORT, 0, 65_535) or PORT,
        timers=read_timers(spec),
        router_id=read_address(spec, "routerID"),
        node_selectors=read_selectors(spec, "nodeSelectors"),
        password=spec.text("password"),
        password_secret=_read_secret(spec),
        bfd_profile=spec.text("bfdProfile"),
        is_graceful_restart=spec.boolean("enableGracefulRestart"),
        is_multi_hop=spec.boolean("ebgpMultiHop"),
        vrf=spec.text("vrf"),
        is_dual_stack=spec.boolean("dualStackAddressFamily"),
        options=SessionOptions(),
        problems=(),
    )
    spec.boolean("disableMP")  # it has no effect, and yet is true or false
    _note_contradictions(peer, spec)
    options = read_session_options(spec, _around(peer))
    return replace(peer, options=options, problems=tuple(fields.problems))


def _around(peer: BGPPeer) -> Around:
    return Around(
        is_internal=peer.dynamic_asn == "internal" or peer.peer_asn == peer.my_asn,
        is_multi_hop=peer.is_multi_hop,
        is_graceful_restart=peer.is_graceful_restart,
        has_bfd=bool(peer.bfd_profile),
        has_password=bool(peer.password) or peer.password_secret is not None,
        namespace=peer.meta.key.namespace,
    )


def _read_secret(spec: Fields) -> ObjectKey | None:
    """Read `passwordSecret`; without a namespace it is in that of the peer."""
    fields = spec.child("passwordSecret")
    name = fields.text("name")
    return ObjectKey(fields.text("namespace"), name) if name else None


def _note_contradictions(peer: BGPPeer, spec: Fields) -> None:
    """Note what contradicts itself, or says too little."""
    noted = {problem.path.rpartition(".")[2] for problem in spec.problems}
    if not peer.my_asn and "myASN" not in noted:
        spec.note("myASN", "our AS number is wanted")
    if bool(peer.peer_asn) == bool(peer.dynamic_asn) and not noted & {"peerASN", "dynamicASN"}:
        spec.note("peerASN", "exactly one of peerASN and dynamicASN is wanted")
    has_address, has_interface = spec.text("peerAddress") != "", peer.interface != ""
    if has_address == has_interface and not noted & {"peerAddress", "interface"}:
        spec.note("peerAddress", "exactly one of peerAddress and interface is wanted")
    if peer.password and peer.password_secret is not None:
        spec.note("password", "only one of password and passwordSecret is wanted")
    if peer.is_multi_hop and peer.my_asn and peer.peer_asn == peer.my_asn:
        spec.note(
            "ebgpMultiHop", f"{peer.peer_asn} is our own AS; only a peer of another can be far"
        )


def read_address(fields: Fields, name: str) -> IPAddress | None:
    """Read an address; None when it is absent, or malformed, which is noted."""
    text = fields.text(name)
    if not text:
        return None
    try:
        return parse_address(text)
    except ValueError as error:
        fields.note(name, str(error))
        return None


def read_timers(fields: Fields) -> Timers:
    """Read `holdTime`, `keepaliveTime` and `connectTime`; what cannot be is noted and not said."""
    hold, keepalive = read_duration(fields, "holdTime"), read_duration(fields, "keepaliveTime")
    if keepalive is not None and keepalive < 0:
        fields.note("keepaliveTime", f"{shown(fields.text('keepaliveTime'))} is below 0")
        keepalive = None
    name = "holdTime"
    if hold is None and keepalive is not None:
        hold, name = 3 * keepalive, "keepaliveTime"
    connect = _read_connect_seconds(fields)
    if hold is None:
        return Timers(connect=connect)
    seconds = hold // _SECOND
    if not (seconds == 0 or 3 <= seconds <= _HOLD_SECONDS_MAX):
        fields.note(name, f"the hold time would be {seconds} s; it is 0, or from 3 to 65535 s")
        return Timers(connect=connect)
    if keepalive is None:
        keepalive = hold // 3 if seconds else 0
    if keepalive > hold:
        fields.note("keepaliveTime", f"it is longer than the hold time of {seconds} s")
        keepalive = hold // 3
    return Timers(seconds, keepalive / _SECOND, connect)


def _read_connect_seconds(fields: Fields) -> int | None:
    connect = read_duration(fields, "connectTime")
    if connect is None:
        return None
    seconds, rest = divmod(connect, _SECOND)
    if rest or not 1 <= seconds <= 65_535:
        fields.note("connectTime", "whole seconds from 1s to 65535s are wanted")
        return None
    return seconds
