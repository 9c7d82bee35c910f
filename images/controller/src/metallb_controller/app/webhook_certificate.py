"""Where the webhook's certificate comes from, and how it gets into TLS while we run.

Mounted: a Secret that the chart fills is mounted as files, which are replaced while we run. They
are looked at every few seconds; a pair that cannot be read is told and leaves the old one in place.

Kept: nobody fills the Secret (plain Kubernetes, where no hook runs). The leading replica makes it
and renews it, and every replica has what is in it by a mirror of that one object. Until it is
there, TLS is served with a pair that nobody trusts, for the probes of the pod. What is written has
a precondition, so two leaders could not undo each other's writes; see
`metallb.domain.webhook_certificate`.

New connections get the new certificate; those that are open stay as they are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from metallb.domain.webhook_certificate import (
    SECRET,
    StoredPair,
    TlsPair,
    names_in,
    read_secret,
    renewal,
    secret_object,
)
from metallb.kube.client import Resource
from metallb.kube.reflector import Reflector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metallb.kube.client import ApiClient
    from metallb.kube.reflector import Key

LOOK_SECONDS = 5.0
SECRETS = Resource("", "v1", "secrets")

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """The certificate or its key cannot be read; the message says which and why."""


class Certificate(Protocol):
    """What the webhook serves with."""

    bundle: str
    """The authorities (PEM) that the API server is to trust; empty while there are none."""

    async def run(self) -> None:
        """Follow changes until cancelled."""

    async def renew(self, writing: ApiClient) -> None:
        """Do what only the leader does."""


def new_context() -> ssl.SSLContext:
    """Make the context of a server, still without a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class MountedCertificate:
    """Follows `tls.crt`, `tls.key` and `ca.crt` in a directory."""

    def __init__(
        self, context: ssl.SSLContext, directory: Path, on_change: Callable[[], None]
    ) -> None:
        self._context = context
        self._files = [directory / name for name in ("tls.crt", "tls.key")]
        self._authorities = directory / "ca.crt"
        self._on_change = on_change
        self._seen: Stamp = ()
        self.bundle = ""

    def load(self) -> None:
        """Take the certificate in; raises CertificateError."""
        self._load(self._stamp())

    async def run(self) -> None:
        """Take in certificates that change, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    async def renew(self, writing: ApiClient) -> None:
        """Leave it to whoever mounted it."""

    def look(self) -> None:
        """Load the certificate if its files have changed."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._load(stamp)
                log.info("the webhook's certificate is replaced")
        except CertificateError as error:
            log.error("%s; the old one is kept", error)

    def _stamp(self) -> Stamp:
        try:
            stats = [path.stat() for path in self._files]
        except OSError as error:
            raise CertificateError(f"webhook certificate: {error}") from error
        return tuple((item.st_ino, item.st_mtime_ns, item.st_size) for item in stats)

    def _load(self, stamp: Stamp) -> None:
        try:
            self._context.load_cert_chain(*map(str, self._files))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            text = f"webhook certificate {self._files[0]} with its key: {error}"
            raise CertificateError(text) from error
        self._seen = stamp
        try:
            self.bundle = self._authorities.read_text()
        except (OSError, ValueError) as error:
            log.warning("conversion cannot be offered: %s", error)
        self._on_change()


class KeptCertificate:
    """Has what is in the Secret, and keeps it when leading.

    What makes certificates takes 9 MiB of memory, so it is imported only where it is used.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        client: ApiClient,
        namespace: str,
        on_change: Callable[[], None],
    ) -> None:
        from metallb.tls.certificates import is_good, make_pair

        self._is_good, self._make_pair = is_good, make_pair
        self._context = context
        self._namespace = namespace
        self._on_change = on_change
        self._stored: StoredPair | None = None
        self.bundle = ""
        self.mirror = Reflector(
            client,
            SECRETS,
            read_secret,
            self._on_secret,
            chance=random.random,
            namespace=namespace,
            fieldSelector=f"metadata.name={SECRET}",
        )

    def load(self) -> None:
        """Serve with a pair of our own until there is a Secret."""
        load_pair(self._context, self._make_pair(names_in(self._namespace), datetime.now(UTC), ""))

    async def run(self) -> None:
        """Follow the Secret, until cancelled."""
        await self.mirror.run()

    def _on_secret(self, key: Key, old: StoredPair | None, new: StoredPair | None) -> None:
        self._stored = new
        if new is not None and new.pair is not None and (old is None or old.pair != new.pair):
            try:
                load_pair(self._context, new.pair)
            except CertificateError as error:
                log.error("the Secret %s: %s; what was there before is kept", SECRET, error)
            else:
                self.bundle = new.pair.ca
                log.info("the webhook's certificate is taken from the Secret %s", SECRET)
        self._on_change()

    async def renew(self, writing: ApiClient) -> None:
        """Make the Secret, or replace what is in it, when it is time."""
        await self.mirror.synced.wait()
        stored = self._stored
        pair = renewal(stored, self._namespace, datetime.now(UTC), self._is_good, self._make_pair)
        if pair is None:
            return
        body = secret_object(pair, stored)
        if stored is None:
            answer = await writing.create(SECRETS, body, self._namespace)
        else:
            answer = await writing.patch(SECRETS, SECRET, body, namespace=self._namespace)
        log.info("a certificate for the webhook is made")
        self.mirror.feed(answer)


def load_pair(context: ssl.SSLContext, pair: TlsPair) -> None:
    """Let new connections be served with a pair; raises CertificateError.

    TLS takes them from files only, and no file system need be writable: they are in memory.
    """
    descriptors: list[int] = []
    try:
        for text in (pair.crt, pair.key):
            descriptors.append(os.memfd_create("webhook-tls"))
            os.write(descriptors[-1], text.encode())
        context.load_cert_chain(*(f"/proc/self/fd/{number}" for number in descriptors))
    except (OSError, ValueError) as error:
        raise CertificateError(f"webhook certificate: {error}") from error
    finally:
        for number in descriptors:
            os.close(number)
