"""Why a pod is not run, or not yet."""

from __future__ import annotations


class UnsupportedError(Exception):
    """A pod says something that the agent does not know; the text begins with its path."""


class NotYetError(Exception):
    """Something that a pod needs is not there yet; `reason` is a kubelet's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RuncError(Exception):
    """runc refused or failed; the text carries what it said."""
