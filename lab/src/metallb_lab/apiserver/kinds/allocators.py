"""Pools that Services draw from: cluster IPs of one family, node ports.

As in the real server, automatic picks avoid the lower part of a range, which is left to those who
ask for a certain value, until nothing else is free. Picks start at a random place.
"""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network


class TakenError(Exception):
    """Why a value cannot be had; the text is the real server's."""


class FullError(Exception):
    """Nothing is left in the range."""


class IntegerPool:
    """Numbers of a closed range."""

    def __init__(self, first: int, last: int, reserved: int) -> None:
        self.first = first
        self.last = last
        self._dynamic = first + reserved
        self._taken: set[int] = set()

    def take(self, number: int) -> None:
        """Takes a certain number; ``TakenError`` when somebody has it."""
        if number in self._taken:
            raise TakenError
        self._taken.add(number)

    def release(self, number: int) -> None:
        """Gives a number back; unknown ones do not matter."""
        self._taken.discard(number)

    def pick(self) -> int:
        """Takes any free number."""
        for low, high in ((self._dynamic, self.last), (self.first, self._dynamic - 1)):
            size = high - low + 1
            if size <= 0 or len(self._taken) > self.last - self.first:
                continue
            start = random.randrange(size)
            for step in range(size):
                number = low + (start + step) % size
                if number not in self._taken:
                    self._taken.add(number)
                    return number
        raise FullError


class AddressPool:
    """Cluster IPs of one family."""

    def __init__(self, cidr: str) -> None:
        network = ip_network(cidr)
        self.network = network
        self.version = network.version
        first = int(network.network_address) + 1
        last = int(network.broadcast_address) - (1 if network.version == 4 else 0)
        size = last - first + 1
        reserved = min(max(16, size // 16), 256) if size >= 16 else 0
        self._pool = IntegerPool(first, last, reserved)
        self._make = type(network.network_address)

    @property
    def family(self) -> str:
        """``IPv4`` or ``IPv6``."""
        return f"IPv{self.version}"

    def take(self, text: str) -> None:
        """Takes a certain address."""
        address = ip_address(text)
        number = int(address)
        if address.version != self.version or not self._pool.first <= number <= self._pool.last:
            why = f"the provided IP ({text}) is not in the valid range."
            raise TakenError(f"{why} The range of valid IPs is {self.network}")
        try:
            self._pool.take(number)
        except TakenError:
            raise TakenError("provided IP is already allocated") from None

    def pick(self) -> str:
        """Takes any free address."""
        return str(self._make(self._pool.pick()))

    def release(self, text: str) -> None:
        """Gives an address back."""
        self._pool.release(int(ip_address(text)))


class PortPool:
    """Node ports."""

    def __init__(self, first: int = 30000, last: int = 32767) -> None:
        size = last - first + 1
        self._pool = IntegerPool(first, last, min(max(16, size // 32), 128) if size > 16 else 0)

    def take(self, port: int) -> None:
        """Takes a certain port."""
        if not self._pool.first <= port <= self._pool.last:
            valid = f"{self._pool.first}-{self._pool.last}"
            why = "provided port is not in the valid range."
            raise TakenError(f"{why} The range of valid ports is {valid}")
        try:
            self._pool.take(port)
        except TakenError:
            raise TakenError("provided port is already allocated") from None

    def pick(self) -> int:
        """Takes any free port."""
        return self._pool.pick()

    def release(self, port: int) -> None:
        """Gives a port back."""
        self._pool.release(port)


class Claim:
    """What one request took and wants to give back: kept on ``commit``, undone on ``revert``."""

    def __init__(self) -> None:
        self._taken: list[tuple[AddressPool, str] | tuple[PortPool, int]] = []
        self._leaving: list[tuple[AddressPool, str] | tuple[PortPool, int]] = []

    def address(self, pool: AddressPool, wanted: str = "") -> str:
        """Takes an address for this request."""
        if wanted:
            pool.take(wanted)
        picked = wanted or pool.pick()
        self._taken.append((pool, picked))
        return picked

    def port(self, pool: PortPool, wanted: int = 0) -> int:
        """Takes a port for this request."""
        if wanted:
            pool.take(wanted)
        picked = wanted or pool.pick()
        self._taken.append((pool, picked))
        return picked

    def leave_address(self, pool: AddressPool, address: str) -> None:
        """Gives an address back once the request has been written."""
        self._leaving.append((pool, address))

    def leave_port(self, pool: PortPool, port: int) -> None:
        """Gives a port back once the request has been written."""
        self._leaving.append((pool, port))

    def commit(self) -> None:
        """The request was written."""
        self._release(self._leaving)

    def revert(self) -> None:
        """The request failed, or was a dry run."""
        self._release(self._taken)

    @staticmethod
    def _release(entries: list[tuple[AddressPool, str] | tuple[PortPool, int]]) -> None:
        for pool, value in entries:
            pool.release(value)  # type: ignore[arg-type]  # the pair was made together
        entries.clear()
