"""Why a datagram was dropped. One word serves the counter, the metric label and the test.

Anybody can send anything to the ports, so nothing in this package raises because of what arrives.
`ValueError` is for our own misuse (a multiplier of 0 in a setting).
"""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Why nothing, or not all, was taken from a datagram; in the order of RFC 5880 §6.8.6."""

    TTL = "TTL"
    TOO_SHORT = "TooShort"
    VERSION = "Version"
    LENGTH = "Length"
    DETECT_MULTIPLIER = "DetectMultiplier"
    MULTIPOINT = "Multipoint"
    MY_DISCRIMINATOR = "MyDiscriminator"
    YOUR_DISCRIMINATOR = "YourDiscriminator"
    """No session of ours has it, or it is zero in a state in which the peer must know it."""
    NO_SESSION = "NoSession"
    AUTHENTICATION_ABSENT = "AuthenticationAbsent"
    AUTHENTICATION_UNEXPECTED = "AuthenticationUnexpected"
    AUTHENTICATION_TYPE = "AuthenticationType"
    AUTHENTICATION_LENGTH = "AuthenticationLength"
    AUTHENTICATION_KEY = "AuthenticationKey"
    """No key of ours has this id."""
    AUTHENTICATION_DIGEST = "AuthenticationDigest"
    """The password or the digest is another."""
    AUTHENTICATION_SEQUENCE = "AuthenticationSequence"
    ADMIN_DOWN = "AdminDown"
    """The session is shut down here; its variables are kept up to date, no more."""
    ECHO = "Echo"
    """An echo that is not, or no more, one of ours, and not one to be looped back."""
