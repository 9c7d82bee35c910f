"""The first process of a speaker: it starts reflex and policy, and starts again the one that ends.

    supervisor ──┬── reflex    sockets and timers; must not wait for anybody
                 └── policy    Kubernetes; may stall, may die

Neither needs the other to go on: reflex keeps its last orders, policy tells a new reflex the
table. The supervisor does nothing else, so that it has no reason to end. Its children end with
it: they are killed by the kernel when it dies (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from metallb.runtime.logging import set_up_logging
from metallb_speaker.settings import CONFIGURATION_EXIT

if TYPE_CHECKING:
    from collections.abc import Sequence

RESTART_SECONDS = 0.05
RESTART_LIMIT_SECONDS = 5.0
STABLE_SECONDS = 10.0
"""A process that has run for so long is started again at once."""

STOP_SECONDS = 6.0
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class Child:
    """One process, with the pace at which it is started again."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "metallb_speaker", name, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = float("-inf")
        self._delay = RESTART_SECONDS
        self._next_start_at = 0.0

    def tend(self, now: float) -> int | None:
        """Start the process if it does not run and it is time; gives the code it ended with."""
        code = None
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return None
            log.warning("%s has ended with code %d", self.name, code)
            self._process = None
            stable = now - self._started_at >= STABLE_SECONDS
            self._delay = RESTART_SECONDS if stable else min(2 * self._delay, RESTART_LIMIT_SECONDS)
            self._next_start_at = now + (0 if stable else self._delay)
        if now >= self._next_start_at:
            self._process = subprocess.Popen(self._command, preexec_fn=_die_with_parent)
            self._started_at = now
        return code

    def next_start_in(self, now: float) -> float | None:
        """Seconds until the process is to be started; None while it runs."""
        return None if self._process is not None else max(0.0, self._next_start_at - now)

    def signal(self, number: int) -> None:
        """Send a signal, if the process runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait_until(self, deadline: float) -> None:
        """Wait for the end of the process; after the deadline it is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("%s does not end; killed", self.name)
            self._process.kill()
            self._process.wait()


def _die_with_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_supervisor(arguments: Sequence[str], log_level: str) -> int:
    """Run both processes until SIGTERM or SIGINT; gives the exit code."""
    set_up_logging(log_level)
    children = [Child("reflex", arguments), Child("policy", arguments)]
    stops: list[int] = []
    wakes = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, wakes)
    code = 0
    while not stops:
        now = time.monotonic()
        codes = [child.tend(now) for child in children]
        if CONFIGURATION_EXIT in codes:
            code = CONFIGURATION_EXIT
            break
        waits = [wait for child in children if (wait := child.next_start_in(now)) is not None]
        found = signal.sigtimedwait(wakes, min(waits, default=STABLE_SECONDS))
        if found is not None and found.si_signo in (signal.SIGTERM, signal.SIGINT):
            stops.append(found.si_signo)
        elif found is not None and found.si_signo == signal.SIGHUP:
            children[0].signal(signal.SIGHUP)
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.wait_until(deadline)
    log.info("stopped (%d)", os.getpid())
    return code
