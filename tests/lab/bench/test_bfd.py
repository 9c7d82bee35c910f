"""What the benchmarks of BFD watch: a session that goes down is seen, by both ends."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from metallb_lab.bench import bfd
from metallb_lab.instance import Instance

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SECONDS = 20.0


@pytest.mark.netns
@needs_root
async def test_sessions_that_go_down_are_counted() -> None:
    addresses = bfd.pairs(2)
    with Instance() as lab:
        near, far = bfd.join(lab, addresses)
        async with bfd.running(lab, near, far, addresses) as ends, asyncio.timeout(SECONDS):
            await ends.begin()
            found = await ends.end()
            assert (found.downs, found.router_downs, found.lists) == (0, 0, 0)
            ends.ours.send_signal(signal.SIGSTOP)
            while (await ends.end()).router_downs < len(addresses):
                await asyncio.sleep(0.01)
            ends.ours.send_signal(signal.SIGCONT)
            while not (await ends.end()).downs:
                await asyncio.sleep(0.01)
