"""Where the API server is and how to prove who we are, by the official `kubernetes` package.

In a pod: the service account's token, read again from its file as the kubelet rotates it.
Elsewhere: a kubeconfig with all that the package understands (certificates, tokens, exec
plugins). Only its configuration is used; requests go through `metallb.kube.client` (see the ADR
on transport).
"""

from __future__ import annotations

import os
import ssl
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


FRESH_SECONDS = 1.0
"""How long a header serves; tokens outlive the moment of their rotation by minutes."""


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a client needs; `authorization` gives the header's value anew for each request."""

    base_url: str
    tls: ssl.SSLContext | None
    authorization: Callable[[], str | None]
    tls_server_name: str | None = None


class ConfigurationError(Exception):
    """No usable configuration was found; the message says where it was looked for."""


def load_connection(
    kubeconfig: str | None = None,
    context: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Connection:
    """Load the configuration of a pod or, with a path given or none to be in a pod, of a
    kubeconfig.

    Raises ConfigurationError.
    """
    loaders, configuration = _package()
    try:
        if kubeconfig is None and "KUBECONFIG" not in os.environ and _is_in_pod():
            loaders.load_incluster_config(configuration)
        else:
            loaders.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration
            )
        return connection_of(configuration, clock)
    except (loaders.ConfigException, OSError) as error:
        raise ConfigurationError(f"no way to the API server: {error}") from error


def _package() -> tuple[Any, Any]:
    """Give the package's `config`, and a new `client.Configuration`.

    An import of the package imports all of it, which takes longer and more memory than all else
    that a process of ours needs of Kubernetes. So its modules for configuration are imported as if
    there were no others; whoever imports the package later gets the whole.
    """
    found = None if "kubernetes" in sys.modules else find_spec("kubernetes")
    places = found.submodule_search_locations if found else None
    if not places:
        whole = import_module("kubernetes.client")
        return import_module("kubernetes.config"), whole.Configuration()
    root, client = ModuleType("kubernetes"), ModuleType("kubernetes.client")
    root.__path__, client.__path__ = list(places), [f"{place}/client" for place in places]
    try:
        sys.modules |= {"kubernetes": root, "kubernetes.client": client}
        kind = import_module("kubernetes.client.configuration").Configuration
        vars(client).update(Configuration=kind, ApiClient=None)
        return import_module("kubernetes.config"), kind()
    finally:
        del sys.modules["kubernetes"], sys.modules["kubernetes.client"]


def _is_in_pod() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ


def connection_of(configuration: Any, clock: Callable[[], float] = time.monotonic) -> Connection:
    """Make a connection of a `kubernetes.client.Configuration`."""
    url = str(configuration.host).rstrip("/")
    return Connection(
        base_url=url,
        tls=_tls_context(configuration) if url.startswith("https:") else None,
        authorization=_Authorization(configuration, clock),
        tls_server_name=configuration.tls_server_name,
    )


class _Authorization:
    """The header as the package gives it, asked for again once it is `FRESH_SECONDS` old.

    Each time that it is asked, the package reads its configuration again, and a leader that writes
    thousands of times spends an eighth of its time on that.
    """

    def __init__(self, configuration: Any, clock: Callable[[], float]) -> None:
        self._configuration = configuration
        self._clock = clock
        self._header: str | None = None
        self._asked_at = float("-inf")

    def __call__(self) -> str | None:
        now = self._clock()
        if now - self._asked_at >= FRESH_SECONDS:
            header = self._configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
            self._header = None if header is None else str(header)
            self._asked_at = now
        return self._header


def _tls_context(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
