"""The module operator's contract: what addon-operator does with a module, done in the lab.

Each rule names the section of the specification that it follows. How to use it is told in
`metallb_lab.operator.operator`.
"""

from metallb_lab.operator.errors import NotConvergedError, OperatorError, SettingsRefusedError
from metallb_lab.operator.operator import ModuleOperator
from metallb_lab.operator.queues import Patience
from metallb_lab.operator.settings import ModuleConfig

__all__ = [
    "ModuleConfig",
    "ModuleOperator",
    "NotConvergedError",
    "OperatorError",
    "Patience",
    "SettingsRefusedError",
]
