"""Who a request comes from: bearer tokens from a file in kube-apiserver's format.

Authentication is real: with tokens configured, a request without a valid one is refused (401).
Authorization is not: whoever has a token may do everything.
"""

from __future__ import annotations

import csv
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_lab.apiserver.errors import unauthorized

if TYPE_CHECKING:
    from pathlib import Path

ADMIN_GROUP = "system:masters"
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})


@dataclass(frozen=True)
class User:
    """A name with its groups."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()

    @property
    def admin(self) -> bool:
        """Whether this one may use the lab's own endpoints."""
        return ADMIN_GROUP in self.groups


@dataclass
class Authenticator:
    """Tokens; with none at all everybody is the admin."""

    tokens: dict[str, User] = field(default_factory=dict)

    def add(self, name: str, *groups: str, token: str = "") -> str:
        """A new token (a random one unless given)."""
        secret = token or secrets.token_hex(16)
        self.tokens[secret] = User(name, name, groups)
        return secret

    def load(self, path: Path) -> None:
        """``token,user,uid,"group1,group2"`` a line."""
        with path.open(newline="") as lines:
            for row in csv.reader(lines):
                if not row or row[0].startswith("#"):
                    continue
                groups = tuple(g for g in row[3].split(",") if g) if len(row) > 3 else ()
                self.tokens[row[0]] = User(row[1], row[2], groups)

    def identify(self, header: str, path: str) -> User:
        """The user of a request."""
        if not self.tokens:
            return User("system:admin", "", (ADMIN_GROUP, "system:authenticated"))
        scheme, _, token = header.partition(" ")
        user = self.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is not None:
            return User(user.name, user.uid, (*user.groups, "system:authenticated"))
        if header or path.partition("/livez/")[0] not in OPEN_PATHS:
            raise unauthorized()
        return User("system:anonymous", "", ("system:unauthenticated",))
