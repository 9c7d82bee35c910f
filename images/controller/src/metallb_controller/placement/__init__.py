"""Which node announces which VIP, and who is next. Pure.

    placement   the object that callers use
    model       its words
    balance     what to move for balance and separation       reserve   even second choices
    choice      first, second and tail of one order           audit     everything recomputed
    book        orders and the indexes that follow from them
    tally, ring counts by node, sets of nodes as bits

Imports go down this list only, `audit` apart. Nothing here knows of Kubernetes or of addresses.
"""

from metallb_controller.placement.model import (
    PREFERENCE_LIMIT,
    Demand,
    Move,
    MoveReason,
    Node,
    Order,
)
from metallb_controller.placement.placement import Placement

__all__ = ["PREFERENCE_LIMIT", "Demand", "Move", "MoveReason", "Node", "Order", "Placement"]
