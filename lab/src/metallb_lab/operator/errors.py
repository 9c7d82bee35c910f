"""What can go wrong between a module and its operator.

OperatorError
  ModuleError         the module's directory is not what the operator takes
  HookError           a hook cannot be registered, or a run of it failed
  PatchRefusedError   what a hook wrote breaks a rule of its file
  SettingsRefusedError  the user's settings are wrong; the running state is unchanged
  ReleaseError        Helm refused
  NotConvergedError   the module did not come to rest in time
"""

from __future__ import annotations


class OperatorError(Exception):
    """The operator stands; the message says before what."""


class ModuleError(OperatorError):
    """The module's directory is not what the operator takes."""


class HookError(OperatorError):
    """A hook cannot be registered, or a run of it failed."""


class PatchRefusedError(OperatorError):
    """What a hook wrote breaks a rule of its file."""


class SettingsRefusedError(OperatorError):
    """The user's settings are wrong; `faults` says each, with its path."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class ReleaseError(OperatorError):
    """Helm refused; the message is its own."""


class NotConvergedError(OperatorError):
    """The module did not come to rest in time."""


class NotYetError(OperatorError):
    """A task waits for another queue; it is asked again soon, and that is no failure."""
