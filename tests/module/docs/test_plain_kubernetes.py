"""The page's way to install the module on plain Kubernetes, typed as it is, on the real API server
with either version of Helm.

Nobody runs pods here: what is asked is whether all objects are there and the accounts may do what
they must. Of the programs only the controller is run, with its own account, to make the webhook's
certificate.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb.domain.webhook_certificate import SECRET
from metallb.domain.webhook_registration import CONFIGURATION, CONVERTED
from metallb.kube.client import ApiClient, Resource
from metallb.kube.config import load_connection
from metallb.kube.errors import NotFoundError
from metallb_controller.app.run import Controller
from metallb_controller.app.settings import Settings
from metallb_controller.app.webhook_registration import CONFIGURATIONS, DEFINITIONS
from metallb_lab import tools
from metallb_lab.realserver import RealServer, kubeconfig
from module.docs.pages import ROOT, english
from module.templates.rendering import HELMS, NAMESPACE, copy_chart

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

SECRETS = Resource("", "v1", "secrets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
SECONDS = 60.0
DAEMONSETS = Resource("apps", "v1", "daemonsets")


def commands() -> list[str]:
    """Give the blocks of commands of the last section, in their order."""
    section = english("EXAMPLES").text.partition("## Plain Kubernetes")[2]
    blocks = [block for language, block in english("EXAMPLES").blocks if language == "shell"]
    return [block for block in blocks if block.strip().splitlines()[0].strip() in section]


async def _type(text: str, where: Path, environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", text),
        cwd=where,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{text}\n{said.decode()}"


@pytest.mark.parametrize("binary", HELMS)
async def test_the_page_can_be_typed(binary: str, tmp_path: Path) -> None:
    tree, programs = tmp_path / "tree", tmp_path / "bin"
    copy_chart(tree)
    shutil.copytree(ROOT / "crds", tree / "crds")
    [given] = [item for item in english("EXAMPLES").objects() if "kind" not in item]
    (tree / "values.yaml").write_text(yaml.safe_dump(given))
    programs.mkdir()
    (programs / "kubectl").symlink_to(tools.find("kubectl"))
    (programs / "helm").symlink_to(tools.find(binary))
    async with RealServer() as server:
        kubeconfig = server.write_kubeconfig()
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(kubeconfig),
        }
        blocks = commands()
        assert len(blocks) == 4
        for block in blocks:
            await _type(block, tree, environment)
        async with ApiClient(load_connection(str(kubeconfig))) as client:
            await _check_installed(client)
            made = await _certificate_made(server, client, tmp_path)
            [install] = [block for block in blocks if "helm install" in block]
            await _type(install.replace("helm install", "helm upgrade"), tree, environment)
            await _check_installed(client)
            assert await _bundles(client) == [made, made, made]  # the upgrade leaves them
            await _type("helm uninstall metallb --namespace kube-system", tree, environment)
            with pytest.raises(NotFoundError):
                await client.get(DAEMONSETS, "speaker", NAMESPACE)


async def _check_installed(client: ApiClient) -> None:
    for resource, name in ((DEPLOYMENTS, "controller"), (DAEMONSETS, "speaker")):
        assert (await client.get(resource, name, NAMESPACE))["spec"]["template"]
    keys = await client.get(SECRETS, "metallb-heartbeat-keys", NAMESPACE)
    assert len(bytes.fromhex(base64.b64decode(keys["data"]["keys"]).decode())) == 32
    for account in ("controller", "speaker"):
        assert await _may(client, account, "create", "authentication.k8s.io", "tokenreviews")
        assert await _may(client, account, "list", "network.deckhouse.io", "virtualips")
    scraper = "system:serviceaccount:monitoring:prometheus"
    for plural, name in (("deployments", "controller"), ("daemonsets", "speaker")):
        metrics = {"subresource": "prometheus-metrics", "name": name}
        assert await _may(client, scraper, "get", "apps", plural, **metrics)


async def _certificate_made(server: RealServer, client: ApiClient, work: Path) -> str:
    """Run the controller with its account until the API server knows its authorities."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/controller/token"
    answer: Any = await client.request("POST", path, body={"spec": {}})
    ca = base64.b64encode(server.ca_file.read_bytes()).decode()
    file = work / "controller.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(kubeconfig(server.url, answer["status"]["token"], ca))
    controller = Controller(
        Settings(
            NAMESPACE,
            "alice",
            kubeconfig=str(file),
            metrics_port=0,
            webhook_host="127.0.0.1",
            webhook_port=0,
            manages_webhook_certificate=True,
        )
    )
    running = asyncio.create_task(controller.run())
    try:
        async with asyncio.timeout(SECONDS):
            while len({*(found := await _bundles(client)), ""}) != 2 or "" in found:
                await asyncio.sleep(0.1)
    finally:
        controller.supervisor.stop.set()
        await asyncio.gather(running, return_exceptions=True)
    return found[0]


async def _bundles(client: ApiClient) -> list[str]:
    """Give the authorities that are in the Secret, in the webhook and in the CRD."""
    try:
        secret = (await client.get(SECRETS, SECRET, NAMESPACE))["data"]["ca.crt"]
    except NotFoundError:
        secret = ""
    [webhook] = (await client.get(CONFIGURATIONS, CONFIGURATION))["webhooks"]
    conversion = (await client.get(DEFINITIONS, CONVERTED))["spec"]["conversion"]
    converter = conversion.get("webhook", {}).get("clientConfig", {})
    return [secret, webhook["clientConfig"].get("caBundle", ""), converter.get("caBundle", "")]


async def _may(
    client: ApiClient, who: str, verb: str, group: str, resource: str, **more: str
) -> bool:
    user = who if ":" in who else f"system:serviceaccount:{NAMESPACE}:{who}"
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": NAMESPACE}
    body = {"spec": {"user": user, "resourceAttributes": attributes | more}}
    answer: Any = await client.request(
        "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body
    )
    return bool(answer["status"]["allowed"])
