"""What Kubernetes takes for the key and the value of a label.

An object with a selector that breaks these rules is refused by the API server as a whole, so text
from users is asked here before it gets into one.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_PREFIX_CHARACTERS = 253


def is_label_key(text: str) -> bool:
    """Tell whether a text is a qualified name: a name, with or without a domain before it."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= _PREFIX_CHARACTERS and _SUBDOMAIN.fullmatch(prefix)):
        return False
    return _NAME.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Tell whether a text can be the value of a label; the empty one can."""
    return not text or _NAME.fullmatch(text) is not None


def is_object_name(text: str) -> bool:
    """Tell whether a text can be the name of an object (RFC 1123 subdomain)."""
    return len(text) <= _PREFIX_CHARACTERS and _SUBDOMAIN.fullmatch(text) is not None
