"""Passwords of BGP sessions: Secrets of the module's namespace, as last seen.

Peers may name Secrets of other namespaces, which speakers may not read: a hook brings copies here
(`metallb.domain.bgp_passwords`). Values are in no text that we write.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.api.fields import Fields
from metallb.domain.bgp_passwords import PASSWORD_KEY, copy_name
from metallb.kube.client import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metallb.api.meta import ObjectKey
    from metallb.kube.client import JsonObject

SECRETS = Resource("", "v1", "secrets")
OF_PASSWORDS = "type=kubernetes.io/basic-auth"
"""Field selector of the Secrets that may be passwords (metallb.md §2: other types are refused)."""


@dataclass(frozen=True, slots=True)
class Password:
    """A password."""

    value: bytes = field(repr=False)


def read_password(value: JsonObject) -> Password | None:
    """Read a Secret; None: it has no password in it."""
    text = Fields(value).child("data").text(PASSWORD_KEY)
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Password(found) if found else None


class Passwords:
    """Gives passwords by the Secret that a peer names."""

    def __init__(self, namespace: str, find: Callable[[tuple[str, str]], Password | None]) -> None:
        self._namespace = namespace
        self._find = find

    def of(self, secret: ObjectKey) -> bytes | None:
        """Give the password of a Secret of any namespace; None: it is not there."""
        for name in self._names(secret):
            found = self._find((self._namespace, name))
            if found is not None:
                return found.value
        return None

    def _names(self, secret: ObjectKey) -> Iterator[str]:
        if secret.namespace in ("", self._namespace):
            yield secret.name
        yield copy_name(secret)
