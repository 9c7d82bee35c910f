"""The command `metallb-controller migrate`: the plan of a move and, with `--apply`, its first step.

It reads the cluster with the caller's rights (a kubeconfig, by default the one that kubectl would
take), prints the plan (`metallb_controller.migrate`), and enters running addresses into the ledger
when it is told to. Entries are only ever created, so it does no harm to run it twice, or beside a
controller.

Exit codes: 0 everything fits, 1 something does not, 2 the cluster cannot be read or written, or the
arguments are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metallb.api.meta import GROUP, NATIVE_GROUP
from metallb.api.virtual_ips import to_object
from metallb.domain.decisions import NAMESPACE
from metallb.domain.deckhouse_children import KIND as CHILD_KIND
from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import ConfigurationError, load_connection
from metallb.kube.errors import TRANSPORT_ERRORS, AlreadyExistsError, ApiError, NotFoundError
from metallb_controller.app.resources import (
    BGP_ADVERTISEMENTS,
    CHILDREN,
    CLASSES,
    COMMUNITIES,
    CONFIGURATIONS,
    LAYER2_ADVERTISEMENTS,
    NAMESPACES,
    NATIVE_POOLS,
    POOLS,
    SERVICES,
    VIRTUAL_IPS,
)
from metallb_controller.migrate.cluster import Objects, Origin
from metallb_controller.migrate.move import Move, plan_move
from metallb_controller.migrate.words import next_steps, plan_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metallb.api.virtual_ips import VirtualIP
    from metallb.kube.client import JsonObject

FITS, DOES_NOT_FIT, CANNOT = 0, 1, 2

ADDRESS_KINDS = {
    "Service": SERVICES,
    "Namespace": NAMESPACES,
    "VirtualIP": VIRTUAL_IPS,
    "MetalLoadBalancerClass": CLASSES,
    "MetalLoadBalancerPool": POOLS,
    "MetalLoadBalancerConfiguration": CONFIGURATIONS,
    "IPAddressPool": NATIVE_POOLS,
    "L2Advertisement": LAYER2_ADVERTISEMENTS,
    "BGPAdvertisement": BGP_ADVERTISEMENTS,
    "Community": COMMUNITIES,
}
"""What tells who has which address, and of which pool."""

KINDS = {
    **ADDRESS_KINDS,
    "MetalLoadBalancerBGPPeer": Resource(GROUP, "v1alpha1", "metalloadbalancerbgppeers", False),
    "BGPPeer": Resource(NATIVE_GROUP, "v1beta2", "bgppeers"),
    "BFDProfile": Resource(NATIVE_GROUP, "v1beta1", "bfdprofiles"),
    "Deployment": Resource("apps", "v1", "deployments"),
    "DaemonSet": Resource("apps", "v1", "daemonsets"),
    "ValidatingWebhookConfiguration": Resource(
        "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", False
    ),
    "CustomResourceDefinition": Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", False
    ),
}
DECKHOUSE_KINDS = {
    "ModuleConfig": Resource("deckhouse.io", "v1alpha1", "moduleconfigs", False),
    CHILD_KIND: CHILDREN,
}


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """What the command was asked; the class None: as the old installation has it."""

    origin: Origin
    is_applied: bool = False
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str = NAMESPACE
    """Of this module: what is there is not of the old installation."""
    load_balancer_class: str | None = None


class CannotError(Exception):
    """The cluster cannot be read or written."""


def read_migration_settings(arguments: Sequence[str]) -> MigrationSettings:
    """Read the arguments after `migrate`; exits with 2 and a message when one is wrong."""
    parser = argparse.ArgumentParser(
        prog="metallb-controller migrate",
        description="Tells what a move to this module does to each Service. Changes nothing "
        "without --apply.",
        epilog="Exit codes: 0 everything fits, 1 something does not, 2 the cluster cannot be read "
        "or written.",
    )
    parser.add_argument(
        "--from", dest="origin", required=True, choices=[item.value for item in Origin],
        help="who serves the cluster until now",
    )  # fmt: skip
    parser.add_argument(
        "--apply", action="store_true",
        help="enter the addresses that Services have into the ledger (VirtualIP objects)",
    )  # fmt: skip
    parser.add_argument("--kubeconfig", help="path; by default as kubectl has it")
    parser.add_argument("--context", help="context of the kubeconfig")
    parser.add_argument("--namespace", default=NAMESPACE, help="that of this module")
    parser.add_argument(
        "--load-balancer-class", "--lb-class", default=None,
        help="that of the Services which pools serve; by default the old installation's",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    return MigrationSettings(
        Origin(given.origin), given.apply, given.kubeconfig, given.context, given.namespace,
        given.load_balancer_class,
    )  # fmt: skip


def run_migration(settings: MigrationSettings) -> int:
    """Run the command; gives its exit code."""
    try:
        return asyncio.run(_migrate(settings))
    except (ConfigurationError, CannotError) as error:
        print(error, file=sys.stderr)
        return CANNOT


async def _migrate(settings: MigrationSettings) -> int:
    connection = load_connection(settings.kubeconfig, settings.context)
    async with ApiClient(connection, user_agent="metallb-controller/migrate") as client:
        is_deckhouse = settings.origin is Origin.DECKHOUSE
        kinds = {**KINDS, **(DECKHOUSE_KINDS if is_deckhouse else {})}
        objects = await read_objects(client, kinds)
        move = plan_move(
            objects, settings.origin, datetime.now(UTC), settings.load_balancer_class,
            namespace=settings.namespace,
        )  # fmt: skip
        print(plan_text(settings.origin, move))
        if settings.is_applied:
            print(await _apply(client, move))
        print(next_steps(settings.origin, move, is_applied=settings.is_applied))
    return FITS if move.plan.fits else DOES_NOT_FIT


async def read_objects(client: ApiClient, kinds: dict[str, Resource]) -> Objects:
    """Read all objects of some kinds; a kind that the server does not have is left out."""
    found: Objects = {}
    for kind, resource in kinds.items():
        try:
            found[kind] = await list_all(client, resource)
        except NotFoundError:
            continue
        except (ApiError, *TRANSPORT_ERRORS) as error:
            raise CannotError(f"objects {kind} cannot be read: {error!r}") from error
    return found


async def list_all(client: ApiClient, resource: Resource) -> list[JsonObject]:
    """Read all objects of a kind; raises as `ApiClient.list_pages` does."""
    return [item async for page in client.list_pages(resource) for item in page.items]


async def _apply(client: ApiClient, move: Move) -> str:
    """Enter what is missing in the ledger; tells what has been done."""
    if move.plan.entries and not move.leftovers.has_ledger:
        raise CannotError("nothing is entered: the kind VirtualIP is not there; apply crds/ first")
    made, there = await enter(client, move.plan.entries)
    beside = f", {there} were there by then" if there else ""
    return f"{made} addresses have been entered into the ledger{beside}.\n"


async def enter(client: ApiClient, entries: Iterable[VirtualIP]) -> tuple[int, int]:
    """Create entries of the ledger; gives how many were made, and how many somebody else made."""
    made = there = 0
    for vip in entries:
        try:
            if await enter_one(client, vip):
                made += 1
            else:
                there += 1
        except (ApiError, *TRANSPORT_ERRORS) as error:
            raise CannotError(
                f"VirtualIP {vip.name} cannot be written, after {made} were: {error!r}"
            ) from error
    return made, there


async def enter_one(client: ApiClient, vip: VirtualIP) -> bool:
    """Create an entry; False when one is there. Raises as `ApiClient.create` does otherwise."""
    try:
        await client.create(VIRTUAL_IPS, to_object(vip))
    except AlreadyExistsError:
        return False
    return True
