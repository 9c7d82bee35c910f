"""What advertisements have in common: which pools they cover, and on which interfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.fields import shown
from metallb.api.selectors import NOTHING, LabelSelector, any_matches, read_selectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.fields import Fields

_INTERFACE = re.compile(r"[^/:\s]{1,15}")
"""What Linux takes for the name of an interface (`dev_valid_name`)."""


@dataclass(frozen=True, slots=True)
class PoolChoice:
    """The pools of an advertisement: named, or selected by label; neither: all of them."""

    names: tuple[str, ...] = ()
    selectors: tuple[LabelSelector, ...] = ()

    def covers(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a pool with a name and labels is advertised."""
        if not self.names and not self.selectors:
            return True
        return name in self.names or bool(self.selectors and any_matches(self.selectors, labels))


def read_pool_choice(spec: Fields) -> PoolChoice:
    """Read `ipAddressPools` and `ipAddressPoolSelectors`.

    When names were given and none of them is one, no pool is chosen, rather than all.
    """
    names = spec.names("ipAddressPools")
    selectors = read_selectors(spec, "ipAddressPoolSelectors")
    if not names and not selectors and spec.value.get("ipAddressPools"):
        selectors = (NOTHING,)
    return PoolChoice(names, selectors)


def read_interfaces(fields: Fields) -> tuple[str, ...]:
    """Read `interfaces`.

    One that no interface can have is noted and kept: without any name left, it would be all
    interfaces. For the same reason what is no list of names is read as a name of none.
    """
    found = fields.texts("interfaces")
    if not found and fields.value.get("interfaces"):
        return ("",)
    for index, text in enumerate(found):
        if not _INTERFACE.fullmatch(text):
            fields.note(
                f"interfaces[{index}]",
                f"{shown(text)} cannot be the name of an interface; 1 to 15 characters are wanted, "
                "no slash, colon or space",
            )
    return found
