"""The command that plans a move, on the embedded API server: what it reads and writes, and how it
ends when it cannot.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import VirtualIPSpec, new_virtual_ip
from metallb.net.addresses import parse_address
from metallb_controller.__main__ import main
from metallb_controller.app.migration import (
    CANNOT,
    DOES_NOT_FIT,
    FITS,
    KINDS,
    MigrationSettings,
    enter,
    read_migration_settings,
    run_migration,
)
from metallb_controller.app.resources import CLASSES, SERVICES, VIRTUAL_IPS
from metallb_controller.migrate.cluster import Origin
from metallb_lab.apiserver import Match
from support.objects import NAMESPACE, class_object, service_object

if TYPE_CHECKING:
    from pathlib import Path

    from metallb.kube.client import ApiClient
    from metallb_lab.apiserver import ApiServer

LISTED = {"list": len(KINDS) - 1}
"""Requests of a plan: one for each kind, and this server does not know BGPPeers."""


@pytest.fixture
async def settings(admin: ApiClient, server: ApiServer, tmp_path: Path) -> MigrationSettings:
    """A cluster with one Service of a class, whose address is not in the ledger."""
    path = tmp_path / "kubeconfig"
    path.write_text(server.kubeconfig("alice-token"))
    front = class_object(isDefault=True)
    service = service_object(ingress=("10.0.0.7",))
    for resource, value in ((CLASSES, front), (SERVICES, service)):
        meta = value["metadata"]
        for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            meta.pop(name, None)
        await admin.create(resource, value, meta.get("namespace", ""))
    body = {"status": service["status"]}
    await admin.patch(SERVICES, "web", body, namespace="default", subresource="status")
    server.faults.requests.clear()
    return MigrationSettings(Origin.METALLB, kubeconfig=str(path))


async def migrate(settings: MigrationSettings, *, apply: bool = False) -> int:
    """Run the command in a thread of its own, where there is no event loop yet."""
    given = MigrationSettings(settings.origin, apply, settings.kubeconfig)
    return await asyncio.to_thread(run_migration, given)


async def names(admin: ApiClient) -> list[str]:
    pages = admin.list_pages(VIRTUAL_IPS)
    return [item["metadata"]["name"] async for page in pages for item in page.items]


def asked(server: ApiServer) -> Counter[str]:
    """Count alice's requests by their verbs."""
    counts: Counter[str] = Counter()
    for (user, verb, _), number in server.faults.requests.items():
        counts[verb] += number if user == "alice" else 0
    return +counts


async def test_a_plan_only_lists(
    admin: ApiClient, server: ApiServer, settings: MigrationSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert await migrate(settings) == FITS
    assert "default/web: keeps 10.0.0.7 (class ingress)" in capsys.readouterr().out
    assert asked(server) == LISTED
    assert await names(admin) == []


async def test_entries_are_made_once(
    admin: ApiClient, server: ApiServer, settings: MigrationSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert await migrate(settings, apply=True) == FITS
    assert "1 addresses have been entered into the ledger.\n" in capsys.readouterr().out
    assert await names(admin) == ["10.0.0.7"]
    server.faults.requests.clear()
    assert await migrate(settings, apply=True) == FITS
    assert "0 addresses have been entered" in capsys.readouterr().out
    assert asked(server) == LISTED


async def test_somebody_else_may_be_quicker(admin: ApiClient) -> None:
    entries = [
        new_virtual_ip(VirtualIPSpec(parse_address(text), "ingress", (ObjectKey("a", "b"),)))
        for text in ("10.0.0.7", "10.0.0.8")
    ]
    assert await enter(admin, entries[:1]) == (1, 0)
    before = await admin.get(VIRTUAL_IPS, "10.0.0.7")
    assert await enter(admin, entries) == (1, 1)
    assert await admin.get(VIRTUAL_IPS, "10.0.0.7") == before


async def test_what_does_not_fit_gives_an_exit_code(
    admin: ApiClient, settings: MigrationSettings
) -> None:
    status: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": "10.9.9.9"}]}}
    await admin.patch(
        SERVICES, "web", {"status": status}, namespace="default", subresource="status"
    )
    assert await migrate(settings) == DOES_NOT_FIT


async def test_who_may_not_read_is_told(
    server: ApiServer, settings: MigrationSettings, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "kubeconfig").write_text(server.kubeconfig("no-such-token"))
    assert await migrate(settings) == CANNOT
    said = capsys.readouterr()
    assert "objects Service cannot be read: " in said.err
    assert "401" in said.err
    assert said.out == ""


async def test_a_write_that_fails_is_told(
    server: ApiServer, settings: MigrationSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.add("partition-reset", Match(user="alice", verb="create"))
    assert await migrate(settings, apply=True) == CANNOT
    assert "VirtualIP 10.0.0.7 cannot be written, after 0 were: " in capsys.readouterr().err


async def test_without_the_kind_nothing_is_entered(
    admin: ApiClient, settings: MigrationSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await admin.request("DELETE", f"{path}/virtualips.network.deckhouse.io")
    assert await migrate(settings, apply=True) == CANNOT
    assert "nothing is entered: the kind VirtualIP is not there" in capsys.readouterr().err
    assert await migrate(settings) == FITS
    assert "apply the module's kinds (crds/)" in capsys.readouterr().out


def test_without_a_configuration_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nothing")
    assert run_migration(MigrationSettings(Origin.METALLB, kubeconfig=nowhere)) == CANNOT
    assert "no way to the API server" in capsys.readouterr().err


def test_arguments() -> None:
    found = read_migration_settings(["--from=deckhouse"])
    assert found == MigrationSettings(Origin.DECKHOUSE, namespace=NAMESPACE)
    given = ["--from=metallb", "--apply", "--kubeconfig=k", "--context=c", "--namespace=n"]
    assert read_migration_settings([*given, "--lb-class=x"]) == MigrationSettings(
        Origin.METALLB, True, "k", "c", "n", "x"
    )


@pytest.mark.parametrize("arguments", [[], ["--from=nobody"], ["--from=metallb", "more"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_migration_settings(arguments)
    assert caught.value.code == CANNOT


def test_it_is_a_command_of_the_controller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"--kubeconfig={tmp_path / 'nothing'}"
    monkeypatch.setattr(sys, "argv", ["metallb-controller", "migrate", "--from=metallb", nowhere])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == CANNOT
    assert "no way to the API server" in capsys.readouterr().err
