"""What the page of migration says holds: the rights that it names are enough, and its commands do
what they are there for.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from metallb.api.services import ADDRESSES_ANNOTATION
from metallb.kube.client import Resource
from metallb_controller.app.migration import read_migration_settings
from metallb_controller.app.resources import SERVICES
from metallb_lab import tools
from metallb_lab.operator.crds import CRDS
from metallb_lab.realserver import RealServer, Token
from migration.recorded import ROOT, RecordedCluster, key, recorded, shown
from module.docs.pages import english

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

PAGE = english("MIGRATION")
ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", is_namespaced=False)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", is_namespaced=False)
ROW = re.compile(r"^\| (core|`[\w.-]+`) \| (`.*`) \| (list(?:, create)?) \|$", re.M)
MOVER = Token.make("mover")
CONVERSION = {
    "conversion": {
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": {
                "service": {
                    "name": "metallb-webhook-service",
                    "namespace": "metallb-system",
                    "path": "/convert",
                }
            },
        },
    }
}
"""As MetalLB's manifests have it."""
STATE = recorded("metallb-0.16")


def rules() -> list[dict[str, Any]]:
    """Give the rights of the page's table."""
    return [
        {
            "apiGroups": ["" if group == "core" else group.strip("`")],
            "resources": re.findall(r"`(\w+)`", resources),
            "verbs": verbs.split(", "),
        }
        for group, resources, verbs in ROW.findall(PAGE.prose)
    ]


def commands(word: str) -> str:
    """Give the one block of commands that has a word."""
    [found] = [text for language, text in PAGE.blocks if language == "shell" and word in text]
    return found


async def type_in(text: str, kubeconfig: Path, where: Path) -> None:
    """Type commands in; AssertionError if one fails."""
    (where / "bin").mkdir(exist_ok=True)
    kubectl = where / "bin" / "kubectl"
    if not kubectl.exists():
        kubectl.symlink_to(tools.find("kubectl"))
    environment = {"PATH": f"{where / 'bin'}:{os.environ['PATH']}", "KUBECONFIG": str(kubeconfig)}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", text),
        cwd=where,
        env={**environment, "HOME": str(where)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{text}\n{said.decode()}"


def test_the_options_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_migration_settings(["--help"])
    said = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    named = {word for word in PAGE.words if re.fullmatch(r"--[a-z-]+", word)}
    assert said - {"--help", "--load-balancer-class"} == named


@pytest.mark.parametrize("origin", ["metallb", "deckhouse"])
async def test_the_rights_of_the_page_are_enough(origin: str) -> None:
    async with (
        RealServer(tokens=(MOVER,)) as server,
        RecordedCluster.loaded(server.write_kubeconfig(), STATE) as cluster,
    ):
        cluster.kubeconfig = server.write_kubeconfig(token=MOVER)
        code, said = await cluster.command(f"--from={origin}")
        assert code == 2, "without rights"
        assert "cannot be read" in said
        await _bind(cluster, [{**rule, "verbs": ["list"]} for rule in rules()])
        code, said = await cluster.command(f"--from={origin}")
        assert code == 0, said
        code, said = await cluster.command(f"--from={origin}", "--apply")
        assert code == 2, said
        assert "cannot be written, after 0 were" in said
        await cluster.client.delete(BINDINGS, "mover")
        await cluster.client.delete(ROLES, "mover")
        await _bind(cluster, rules())
        code, said = await cluster.command(f"--from={origin}", "--apply")
        assert code == 0, said
        assert await cluster.ledger()


async def _bind(cluster: RecordedCluster, given: list[dict[str, Any]]) -> None:
    """Let the mover do something."""
    assert len(given) == 9
    await cluster.client.create(ROLES, {"metadata": {"name": "mover"}, "rules": given})
    subject = {"kind": "User", "apiGroup": ROLES.group, "name": "mover"}
    role = {"kind": "ClusterRole", "apiGroup": ROLES.group, "name": "mover"}
    await cluster.client.create(
        BINDINGS, {"metadata": {"name": "mover"}, "roleRef": role, "subjects": [subject]}
    )


async def test_the_commands_of_the_page_leave_nothing_of_the_old_installation(
    tmp_path: Path,
) -> None:
    (tmp_path / "crds").symlink_to(ROOT / "crds")
    async with RealServer() as server:
        kubeconfig = server.write_kubeconfig()
        async with RecordedCluster.loaded(kubeconfig, STATE) as cluster:
            await type_in(commands("find crds"), kubeconfig, tmp_path)
            await cluster.client.patch(CRDS, "bgppeers.metallb.io", {"spec": CONVERSION})
            code, said = await cluster.command("--from=metallb")
            assert code == 0, said
            assert "the conversion of BGPPeers, by a server in namespace metallb-system" in said
            await type_in(commands("scale deployment"), kubeconfig, tmp_path)
            await type_in(commands("delete validatingwebhookconfiguration"), kubeconfig, tmp_path)
            await type_in(commands("delete deployment/controller"), kubeconfig, tmp_path)
            await type_in(commands("patch crd bgppeers"), kubeconfig, tmp_path)
            code, said = await cluster.command("--from=metallb", "--apply")
            assert code == 0, said
            assert "Of the old installation" not in said
            assert said.strip().splitlines()[-1].startswith("  1. install this module")


async def test_the_way_back_to_deckhouse_writes_down_what_services_have(tmp_path: Path) -> None:
    state = recorded("deckhouse-1.77")
    async with RealServer() as server:
        kubeconfig = server.write_kubeconfig()
        async with RecordedCluster.loaded(kubeconfig, state) as cluster:
            await type_in(commands("annotate.sh"), kubeconfig, tmp_path)
            for item in (item for item in state if item["kind"] == "Service"):
                namespace, _, name = key(item).partition("/")
                made = await cluster.client.get(SERVICES, name, namespace)
                said = made["metadata"].get("annotations", {}).get(ADDRESSES_ANNOTATION)
                assert said == (",".join(shown(item)) or None)
            code, said = await cluster.command("--from=deckhouse")
            assert code == 0
            assert "DOES NOT KEEP" not in said
