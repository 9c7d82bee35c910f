"""One BFD session: RFC 5880 §6.8, with its state variables (§6.8.1) under their names.

    receive_packet(packet, data, now)   a packet that was demultiplexed to this session
    receive_echo(data, now)             an echo that came back
    handle_timer(now), get_timer()      what is due; when the next thing is (monotonic seconds)
    change(config, now)                 other intervals, keys ... on the live session
    disable(now), enable(now)           AdminDown and back

Datagrams to be sent and events go to the outbox, which all sessions of a node share. A packet
that says the same as the last one is not made anew, and one that came exactly so before is not
read anew: with a hundred sessions that is what nearly all are.

Asynchronous mode; a peer in Demand mode is not sent to while both are Up (§6.6). We never ask for
Demand mode ourselves. C is 0: a node keeps forwarding when its speaker dies, and so a router that
was promised a graceful restart of BGP is free to wait for it (RFC 5882 §4.3.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metallb_speaker.bfd.authentication import Authenticator
from metallb_speaker.bfd.echo import Echo
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.events import Counts, Datagram, Outbox, StateChanged
from metallb_speaker.bfd.iana import SLOW_US, TTL, Diagnostic, State
from metallb_speaker.bfd.machine import REMOTE_EVENTS, TRANSITIONS, BFDEvent
from metallb_speaker.bfd.packet import (
    AUTHENTICATION_PRESENT,
    FINAL,
    PACKET_BYTES,
    POLL,
    ControlPacket,
)
from metallb_speaker.bfd.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb_speaker.bfd.config import BFDConfig

_SECOND_US: Final = 1_000_000
_NEVER: Final = float("inf")


class Session:
    """One session; `jitter` gives a number in [0, 1) by chance, `discriminator` is not 0."""

    def __init__(
        self,
        config: BFDConfig,
        discriminator: int,
        *,
        jitter: Callable[[], float],
        now: float,
        outbox: Outbox | None = None,
    ) -> None:
        self.config = config
        self.outbox = outbox or Outbox()
        self.counts = Counts()
        self.state = State.DOWN
        self.remote_state = State.DOWN
        self.local_discriminator = discriminator
        self.remote_discriminator = 0
        self.diagnostic = Diagnostic.NO_DIAGNOSTIC
        self.is_remote_demand = False
        self.remote_min_echo_rx_us = 0
        self.timing = Timing(max(config.transmit_us, SLOW_US), config.receive_us)
        self._jitter = jitter
        self._authenticator = self._make_authenticator()
        self._echo = Echo(discriminator, int(jitter() * 2**53))
        self._heard_at = _NEVER
        self._silence_at = _NEVER
        """When the detection time will have passed; never, while nobody is heard."""
        self._forget_at = _NEVER
        """When bfd.AuthSeqKnown is set to 0."""
        self._detection_seconds = 0.0
        self._sent_at = self._next_at = now
        self._share = 1.0
        """The part of the interval that passes before the next packet: jitter."""
        self._is_new = True
        """Whether a packet would say something else than the last one did (P and F apart)."""
        self._repeated: bytes | None = None
        """The periodic packet, while it stays as it is."""
        self._taken: bytes | None = None
        """The packet taken last, while taking it again would change nothing."""

    @property
    def detection_seconds(self) -> float:
        """How long the peer may be silent; 0: it was not heard yet."""
        return self._detection_seconds

    @property
    def least_ttl(self) -> int:
        """The TTL that a packet must have (RFC 5881 §5, RFC 5883 §5)."""
        return self.config.minimum_ttl if self.config.endpoint.is_multihop else TTL

    @property
    def is_looping(self) -> bool:
        """Whether echoes of the peer are looped back."""
        config = self.config
        return config.is_echo and not config.endpoint.is_multihop and self.state is State.UP

    # -- reception, §6.8.6 -------------------------------------------------------------------------

    def is_repetition(self, data: bytes, ttl: int, now: float) -> bool:
        """Take a packet that came exactly so before; tells whether it is one."""
        if data != self._taken or ttl < self.least_ttl:
            return False
        self._heard(now)
        return True

    def receive_packet(self, packet: ControlPacket, data: bytes, now: float) -> DropReason | None:
        """Take a packet; tells why it was not taken, or not fully."""
        if (reason := self._why_unauthentic(packet, data)) is not None:
            return reason
        self._learn(packet)
        if self.state is State.ADMIN_DOWN:
            self._heard(now)
            return DropReason.ADMIN_DOWN
        event = REMOTE_EVENTS[packet.state]
        self._happen(event)
        self._adapt(now)
        self._heard(now)
        if packet.is_poll:
            # "a BFD Control packet MUST be sent to the remote system with the Poll (P) bit clear,
            # and the Final (F) bit set", "without respect to the transmission timer"
            self._send(self._encode(FINAL))
        elif self._is_new:
            self._transmit(now)
        changes_nothing = TRANSITIONS[self.state, event] is None
        if changes_nothing and not packet.flags & (POLL | FINAL) and self._is_repeatable:
            self._taken = data
        return None

    def _why_unauthentic(self, packet: ControlPacket, data: bytes) -> DropReason | None:
        if self._authenticator is None:
            return DropReason.AUTHENTICATION_UNEXPECTED if packet.is_authenticated else None
        if not packet.is_authenticated:
            return DropReason.AUTHENTICATION_ABSENT
        return self._authenticator.why_not(data[: packet.length], packet.detect_multiplier)

    def _learn(self, packet: ControlPacket) -> None:
        if packet.my_discriminator != self.remote_discriminator:
            self.remote_discriminator = packet.my_discriminator
            self._say_anew()
        self.remote_state = packet.state
        self.is_remote_demand = packet.is_demand
        self.remote_min_echo_rx_us = packet.required_min_echo_rx_us
        self.timing.learn(
            packet.detect_multiplier, packet.desired_min_tx_us, packet.required_min_rx_us
        )
        if self.timing.heard(is_final=packet.is_final):
            self._repeated = None  # its P is another; that alone is no news
        self._taken = None

    def _heard(self, now: float) -> None:
        self.counts.control_in += 1
        self._heard_at = now
        self._silence_at = now + self._detection_seconds
        self._forget_at = self._silence_at + self._detection_seconds

    def receive_echo(self, data: bytes, now: float) -> DropReason | None:
        """Take an echo that came back; the first one makes control packets slow."""
        was_proven = self._echo.is_proven
        if self._echo.next_at is None or not self._echo.take(data):
            return DropReason.ECHO
        self.counts.echo_in += 1
        if not was_proven:
            self._adapt(now)
            self._transmit(now)
        return None

    # -- timers ------------------------------------------------------------------------------------

    def get_timer(self) -> float:
        """Tell when the session wants to be called next; infinity: when something comes."""
        due_at = min(self._silence_at, self._forget_at)
        if self._may_transmit:
            due_at = min(due_at, self._next_at)
        if self._echo.next_at is not None:
            due_at = min(due_at, self._echo.next_at)
        return due_at

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if now >= self._silence_at:
            self._expire(now)
        if now >= self._forget_at:
            self._forget_at = _NEVER
            if self._authenticator is not None:
                self._authenticator.forget()
        if self._echo.next_at is not None and now >= self._echo.next_at:
            self._send_echo(now)
        if self._is_new or (self._may_transmit and now >= self._next_at):
            self._transmit(now)

    def _expire(self, now: float) -> None:
        """Take in that the detection time has passed (§6.8.4; §6.8.1 of bfd.RemoteDiscr)."""
        self._heard_at = _NEVER
        self.remote_discriminator = 0
        self.remote_state = State.DOWN
        self.is_remote_demand = False
        self.remote_min_echo_rx_us = 0
        self.timing.forget()
        self._say_anew()
        self._happen(BFDEvent.DETECTION_TIME_EXPIRED)
        self._adapt(now)

    def _happen(self, event: BFDEvent) -> None:
        found = TRANSITIONS[self.state, event]
        if found is None:
            return
        before, (self.state, self.diagnostic) = self.state, found
        self.counts.ups += self.state is State.UP
        self.counts.downs += before is State.UP
        self._say_anew()
        self.outbox.events.append(
            StateChanged(self.config.endpoint, self.state, self.diagnostic, self.remote_state)
        )

    # -- intervals ---------------------------------------------------------------------------------

    def _adapt(self, now: float) -> None:
        """Say and use the intervals that state, echo function and settings want (§6.8.3)."""
        if self.is_looping and self.remote_min_echo_rx_us:
            self._echo.start(now)
        else:
            self._echo.stop()
        is_up = self.state is State.UP
        transmit_us, receive_us = self.config.transmit_us, self.config.receive_us
        if not is_up:
            transmit_us = max(transmit_us, SLOW_US)
        if self._echo.is_proven:  # "SHOULD [...] not less than one second"
            receive_us = max(receive_us, SLOW_US)
        is_known = bool(self.remote_discriminator) and self.state is not State.ADMIN_DOWN
        if self.timing.say(transmit_us, receive_us, is_up=is_up, is_known=is_known):
            self._say_anew()
        self._reschedule()

    def _reschedule(self) -> None:
        """Take in that the intervals in use may be others.

        A shorter one counts from the last packet, §6.8.3: "the local system cannot wait longer than
        the new interval between the previous packet transmission and the next one".
        """
        self._detection_seconds = self.timing.detection_us / _SECOND_US
        self._silence_at = self._heard_at + self._detection_seconds
        self._next_at = self._sent_at + self._share * self.timing.transmit_us / _SECOND_US

    def change(self, config: BFDConfig, now: float) -> None:
        """Work in another way from now on; the endpoint must be the same."""
        assert config.endpoint == self.config.endpoint
        before, self.config = self.config, config
        if config.authentication != before.authentication:
            self._authenticator = self._make_authenticator()
        self._say_anew()
        self._adapt(now)
        self._transmit(now)

    def disable(self, now: float) -> None:
        """Shut the session down; the peer is told, and that it is no failure (§6.8.16)."""
        self._happen(BFDEvent.DISABLED)
        self._adapt(now)
        self._transmit(now)

    def enable(self, now: float) -> None:
        """Take it up again."""
        self._happen(BFDEvent.ENABLED)
        self._adapt(now)
        self._transmit(now)

    # -- transmission, §6.8.7 ----------------------------------------------------------------------

    @property
    def _is_mute(self) -> bool:
        """§6.8.7: "MUST NOT transmit [...] if bfd.RemoteDiscr is zero and [...] Passive role"."""
        return self.config.is_passive and not self.remote_discriminator

    @property
    def _may_transmit(self) -> bool:
        """Whether packets go out periodically."""
        if self._is_mute or not self.timing.transmit_us:
            return False
        if self.timing.is_polling or not self.is_remote_demand:
            return True
        return not self.state is self.remote_state is State.UP

    def _transmit(self, now: float) -> None:
        """Send a packet, and set when the next one is due.

        Intervals "MUST be reduced by a random value of 0 to 25%"; with a multiplier of 1 to "no
        more than 90% of the negotiated transmission interval, and no less than 75%".
        """
        if self._is_mute:
            self._is_new = False
            return
        data = self._repeated
        if data is None:
            data = self._encode(POLL if self.timing.is_polling else 0)
            if self._is_repeatable:
                self._repeated = data
        self._send(data)
        self._sent_at = now
        self._share = self._chance()
        self._next_at = now + self._share * self.timing.transmit_us / _SECOND_US

    def _chance(self) -> float:
        spread = 0.15 if self.config.multiplier == 1 else 0.25
        return 0.75 + spread * self._jitter()

    def _send(self, data: bytes) -> None:
        self._is_new = False
        self.counts.control_out += 1
        self.outbox.datagrams.append(Datagram(self.config.endpoint, data))

    def _send_echo(self, now: float) -> None:
        """Send the next echo, unless too many did not come back (§6.8.5, §6.8.9)."""
        if self._echo.has_failed(self.config.multiplier):
            self._happen(BFDEvent.ECHO_FAILED)
            self._adapt(now)
            return
        interval_us = max(self.config.echo_us, self.remote_min_echo_rx_us)
        self.counts.echo_out += 1
        data = self._echo.make(now + self._chance() * interval_us / _SECOND_US)
        self.outbox.datagrams.append(Datagram(self.config.endpoint, data, is_echo=True))

    def _say_anew(self) -> None:
        """Have the next packet made anew, and sent as soon as we are through."""
        self._is_new = True
        self._repeated = self._taken = None

    @property
    def _is_repeatable(self) -> bool:
        return self._authenticator is None or self._authenticator.is_repeatable

    def _make_authenticator(self) -> Authenticator | None:
        wanted = self.config.authentication
        return None if wanted is None else Authenticator(wanted, int(self._jitter() * 2**32))

    def _encode(self, flags: int) -> bytes:
        config, authenticator = self.config, self._authenticator
        loops = config.is_echo and not config.endpoint.is_multihop
        length = PACKET_BYTES
        if authenticator is not None:
            flags |= AUTHENTICATION_PRESENT
            length += authenticator.section_bytes
        packet = ControlPacket(
            diagnostic=self.diagnostic,
            state=self.state,
            flags=flags,
            detect_multiplier=config.multiplier,
            length=length,
            my_discriminator=self.local_discriminator,
            your_discriminator=self.remote_discriminator,
            desired_min_tx_us=self.timing.desired_min_tx_us,
            required_min_rx_us=self.timing.required_min_rx_us,
            required_min_echo_rx_us=config.echo_us if loops else 0,
        ).encode()
        if authenticator is None:
            return packet
        return authenticator.sign(packet, is_new=self._is_new)
