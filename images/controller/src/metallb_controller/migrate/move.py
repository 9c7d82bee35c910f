"""A move planned from the objects of a cluster: all parts of this package put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metallb.domain.findings import rfc3339
from metallb_controller.migrate.cluster import read_cluster
from metallb_controller.migrate.leftovers import find_leftovers
from metallb_controller.migrate.old_settings import module_settings, with_old_settings
from metallb_controller.migrate.plan import make_plan
from metallb_controller.migrate.rehearsal import rehearse

if TYPE_CHECKING:
    from datetime import datetime

    from metallb_controller.migrate.cluster import Objects, Origin
    from metallb_controller.migrate.leftovers import Leftovers
    from metallb_controller.migrate.plan import Plan


class Move(NamedTuple):
    """What becomes of the Services, and what is there of the old installation."""

    plan: Plan
    leftovers: Leftovers


def plan_move(
    objects: Objects,
    origin: Origin,
    now: datetime,
    load_balancer_class: str | None = None,
    *,
    namespace: str,
) -> Move:
    """Plan the move of a cluster.

    `load_balancer_class` is that of the Services which pools serve; None: the old installation's.
    `namespace` is that of this module.
    """
    leftovers = find_leftovers(objects, namespace)
    if load_balancer_class is None:
        said = module_settings(objects).child("settings").text("loadBalancerClass")
        load_balancer_class = said or leftovers.load_balancer_class
    objects = with_old_settings(objects, now)
    return Move(plan_addresses(objects, origin, now, load_balancer_class), leftovers)


def plan_addresses(
    objects: Objects, origin: Origin, now: datetime, load_balancer_class: str
) -> Plan:
    """Plan what becomes of addresses: the part of a move that the controller does by itself."""
    cluster = read_cluster(objects, origin)
    entries, ending = rehearse(cluster, rfc3339(now), load_balancer_class)
    return make_plan(cluster, entries, ending, load_balancer_class)
