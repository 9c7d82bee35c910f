"""What people may do with every kind of the module, as the real API server judges it.

Two sets of roles of the platform: levels of access, each of which adds to the one below, and roles
of the second version. The latter are `manage` roles only: kinds of metallb.io are namespaced, but
of use in the module's namespace alone, so nobody owns one in a namespace of his own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml

from metallb.kube.client import ApiClient
from metallb.kube.config import load_connection
from metallb_lab.operator.kinds import Kinds
from metallb_lab.realserver import RealServer
from module.templates.rendering import NAMESPACE, ROOT, Case, Chart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
REPORTS = {
    "virtualips", "bgpsessions", "servicel2statuses", "servicebgpstatuses", "configurationstates",
}  # fmt: skip
"""Kinds that the module writes, and nobody else."""
SECRET = {"metalloadbalancerbgppeers", "bgppeers"}
"""Kinds that may have passwords or name them."""
LEVELS = ("d8:user-authz:metallb:user", "d8:user-authz:metallb:cluster-editor")
VIEW = "d8:manage:permission:module:metallb:view"
EDIT = "d8:manage:permission:module:metallb:edit"
PEOPLE = {
    "stranger": (),
    "user": LEVELS[:1],
    "editor": LEVELS,
    "viewer": (VIEW,),
    "manager": (VIEW, EDIT),
}
KINDS = sorted(
    (crd["spec"]["group"], crd["spec"]["names"]["plural"])
    for path in ROOT.glob("crds/**/*.yaml")
    if not path.name.startswith("doc-")
    for crd in [yaml.safe_load(path.read_text())]
)


class Rights:
    """A server that knows the chart's roles, and people who have them."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def may(self, person: str, verb: str, group: str, resource: str, name: str = "") -> bool:
        attributes = {"verb": verb, "group": group, "resource": resource, "name": name,
                      "namespace": NAMESPACE}  # fmt: skip
        body = {"spec": {"user": person, "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer: Any = await self._client.request("POST", path, body=body)
        return bool(answer["status"]["allowed"])

    async def verbs(self, person: str, group: str, resource: str, name: str = "") -> set[str]:
        """Give what somebody may do with a kind."""
        return {
            verb for verb in (*READ, *WRITE) if await self.may(person, verb, group, resource, name)
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rights(chart: Chart) -> AsyncIterator[Rights]:
    async with RealServer() as server:
        kubeconfig = str(server.write_kubeconfig())
        async with ApiClient(load_connection(kubeconfig)) as client:
            kinds = Kinds(client)
            made = [item for item in chart.render(Case()) if item["kind"] == "ClusterRole"]
            made += [_binding(person, role) for person, roles in PEOPLE.items() for role in roles]
            for item in made:
                await client.create(await kinds.resource(item["kind"], item["apiVersion"]), item)
            yield Rights(client)


def _binding(person: str, role: str) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{person}:{role}"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "User", "name": person}],
    }


@pytest.mark.parametrize(("group", "plural"), KINDS)
async def test_every_kind(rights: Rights, group: str, plural: str) -> None:
    read, write = set(READ), set() if plural in REPORTS else set(WRITE)
    expected = {
        "stranger": set(),
        "user": set() if plural in SECRET else read,
        "editor": read | write,
        "viewer": read,
        "manager": read | write,
    }
    found = {person: await rights.verbs(person, group, plural) for person in PEOPLE}
    assert found == expected


@pytest.mark.parametrize(("group", "plural"), KINDS)
async def test_nobody_writes_what_the_module_says_of_an_object(
    rights: Rights, group: str, plural: str
) -> None:
    for person in PEOPLE:
        assert await rights.verbs(person, group, f"{plural}/status") == set()


async def test_it_is_about_all_kinds(rights: Rights) -> None:
    assert len(KINDS) >= 13
    assert {plural for _, plural in KINDS} >= REPORTS | SECRET
    assert await rights.verbs("stranger", "", "services") == set()


async def test_the_settings_are_the_managers(rights: Rights) -> None:
    found = {
        person: await rights.verbs(person, "deckhouse.io", "moduleconfigs", "metallb")
        for person in PEOPLE
    }
    some = {"create", "update", "patch", "delete"}
    assert found == {
        "stranger": set(), "user": set(), "editor": set(), "viewer": {*READ},
        "manager": {*READ, *some},
    }  # fmt: skip
    for person in PEOPLE:
        assert await rights.verbs(person, "deckhouse.io", "moduleconfigs", "another") == set()
