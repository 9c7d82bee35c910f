"""The intervals of a session: what we say, what the peer said, and what is in use.

What we say may change while the session is Up, and the peer must not be caught by it (RFC 5880
§6.8.3): until a Poll Sequence has shown that it knows, we go on to send as often as before if that
was more often, and to wait as long as before if that was longer.

A second change while the first is polled begins a sequence of its own, and not before a packet
without F has come, so that an F of the first that came twice is not taken for it (§6.5).
"""

from __future__ import annotations


class Timing:
    """Intervals in microseconds."""

    def __init__(self, transmit_us: int, receive_us: int) -> None:
        self.desired_min_tx_us = transmit_us
        """bfd.DesiredMinTxInterval; we say it, and the next likewise."""
        self.required_min_rx_us = receive_us
        self.is_polling = False
        """Whether packets carry P."""
        self._is_poll_due = False
        self._transmit_us = transmit_us
        self._receive_us = receive_us
        self._remote_desired_us = 0
        self._remote_multiplier = 0
        self._remote_min_rx_us = 1

    # -- what is in use ----------------------------------------------------------------------------

    @property
    def transmit_us(self) -> int:
        """How often we may send, §6.8.7; 0: not periodically, for the peer said so."""
        if not self._remote_min_rx_us:
            return 0
        return max(self._transmit_us, self._remote_min_rx_us)

    @property
    def detection_us(self) -> int:
        """How long the peer may be silent (§6.8.4, asynchronous mode)."""
        return self._remote_multiplier * max(self._receive_us, self._remote_desired_us)

    # -- what the peer says ------------------------------------------------------------------------

    def learn(self, multiplier: int, desired_us: int, required_us: int) -> None:
        """Take in the peer's intervals."""
        self._remote_multiplier = multiplier
        self._remote_desired_us = desired_us
        self._remote_min_rx_us = required_us

    def forget(self) -> None:
        """Know nothing of the peer (§6.8.1 says how bfd.RemoteMinRxInterval begins)."""
        self._remote_multiplier = self._remote_desired_us = 0
        self._remote_min_rx_us = 1
        self._settle()

    # -- what we say -------------------------------------------------------------------------------

    def say(self, transmit_us: int, receive_us: int, *, is_up: bool, is_known: bool) -> bool:
        """Change what we say; tells whether it did. `is_known`: there is a peer who must know."""
        if (transmit_us, receive_us) == (self.desired_min_tx_us, self.required_min_rx_us):
            return False
        self.desired_min_tx_us, self.required_min_rx_us = transmit_us, receive_us
        # §6.8.3: "If bfd.DesiredMinTxInterval is increased and bfd.SessionState is Up, the actual
        # transmission interval used MUST NOT change until the Poll Sequence [...] has terminated"
        if not is_up or transmit_us < self._transmit_us:
            self._transmit_us = transmit_us
        # "If bfd.RequiredMinRxInterval is reduced and bfd.SessionState is Up, the previous value
        # [...] MUST be used when calculating the Detection Time [...] until the Poll Sequence"
        if not is_up or receive_us > self._receive_us:
            self._receive_us = receive_us
        if not is_known:
            self._settle()
        elif self.is_polling:
            self._is_poll_due = True
        else:
            self.is_polling = True
        return True

    def heard(self, *, is_final: bool) -> bool:
        """Take in whether a packet carried F; tells whether ours are to carry P otherwise now."""
        if self.is_polling and is_final:
            self.is_polling = False
            if not self._is_poll_due:
                self._settle()
            return True
        if self._is_poll_due and not self.is_polling and not is_final:
            self.is_polling, self._is_poll_due = True, False
            return True
        return False

    def _settle(self) -> None:
        """Use what we say."""
        self.is_polling = self._is_poll_due = False
        self._transmit_us = self.desired_min_tx_us
        self._receive_us = self.required_min_rx_us
