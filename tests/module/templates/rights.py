"""A cluster whose programs have the accounts and the rights of the chart, and no others.

The real API server authorises by RBAC and writes an audit log of what the accounts of the module
ask for: who, verb, resource, and whether it was allowed. What the chart declares comes from the
same objects that are applied, so both sides can be compared.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from metallb.domain.deckhouse_children import FINALIZER
from metallb_lab import tools
from metallb_lab.cluster import Cluster
from metallb_lab.controlplane import API_PORT, RealControlPlane
from metallb_lab.objects import NAMESPACE
from metallb_lab.operator.crds import ensure_crds
from metallb_lab.operator.kinds import Kinds
from metallb_lab.realserver import RealServer, kubeconfig
from module.hooks.deckhouse import OLD_CRD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from metallb_lab.processes import Process
    from module.templates.rendering import Manifest

ACCOUNTS = ("controller", "speaker")
CHILD = {
    "apiVersion": "internal.network.deckhouse.io/v1alpha1",
    "kind": "SDNInternalL2LBService",
    "metadata": {"name": "web-front-0", "namespace": "default", "finalizers": [FINALIZER]},
    "spec": {"serviceRef": {"name": "web", "namespace": "default"}},
}
"""Left by Deckhouse's own module; the leader finds it when its term begins, and lets it go."""

APPLIED = {
    "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    "ValidatingWebhookConfiguration",
}  # fmt: skip
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": [f"system:serviceaccounts:{NAMESPACE}"]},
        {"level": "None"},
    ],
}


class Right(NamedTuple):
    """To do something to a resource; `namespace` is empty for all, `name` for any."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Use(NamedTuple):
    """A request: what it was, and whether it was allowed."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    is_allowed: bool

    def needs(self, right: Right) -> bool:
        """Tell whether a right is one that this request needed."""
        return (
            (self.verb, self.group, self.resource) == (right.verb, right.group, right.resource)
            and right.namespace in ("", self.namespace)
            and right.name in ("", self.name)
        )


def declared(manifests: Iterable[Manifest], account: str) -> list[Right]:
    """Give the rights that the chart binds an account to by roles of its own."""
    items = list(manifests)
    roles = {(i["kind"], i["metadata"]["name"]): i for i in items if "rules" in i}
    found: list[Right] = []
    for item in items:
        subjects = [(s["kind"], s["name"]) for s in item.get("subjects", [])]
        if ("ServiceAccount", account) not in subjects:
            continue
        role = roles.get((item["roleRef"]["kind"], item["roleRef"]["name"]))
        if role is not None:
            found += _rights(role, item["metadata"].get("namespace", ""))
    return found


def _rights(role: Manifest, namespace: str) -> Iterator[Right]:
    for rule in role["rules"]:
        for verb in rule["verbs"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(verb, group, resource, namespace, name)


class AuditedPlane(RealControlPlane):
    """The real API server with an audit log."""

    def __init__(self, *arguments: Any, **rest: Any) -> None:
        super().__init__(*arguments, **rest)
        directory: Path = self.instance.directory
        policy = directory / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        self.log = directory / "audit.log"
        self.server = RealServer(
            host=self.host.ipv4,
            port=API_PORT,
            netns=self.host.namespace,
            directory=directory / "api",
            admission="minimal",
            extra_args=(f"--audit-policy-file={policy}", f"--audit-log-path={self.log}"),
        )

    def uses_of(self, account: str) -> list[Use]:
        """Read what a program has asked for: by its account and its user agent.

        The last line may not be whole yet.
        """
        lines, _, _ = self.log.read_text().rpartition("\n")
        events = [json.loads(line) for line in lines.splitlines()]
        mine = f"system:serviceaccount:{NAMESPACE}:{account}"
        return [
            _use(event)
            for event in events
            if event["user"]["username"] == mine and event["userAgent"].startswith("metallb-")
        ]

    def has_seen(self, verb: str, where: str) -> bool:
        """Tell whether somebody has asked for this."""
        ending = re.compile(rf'"requestURI":"[^"]*/{where}","verb":"{verb}"')
        return ending.search(self.log.read_text()) is not None


def _use(event: dict[str, Any]) -> Use:
    what = event.get("objectRef") or {"resource": event["requestURI"]}
    resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
    return Use(
        event["verb"],
        what.get("apiGroup", ""),
        resource,
        what.get("namespace", ""),
        what.get("name", ""),
        event["annotations"]["authorization.k8s.io/decision"] == "allow",
    )


class BoundCluster(Cluster):
    """A cluster with those rights; give it the chart's manifests before it starts."""

    manifests: list[Manifest]
    plane: AuditedPlane

    def _make_plane(self) -> AuditedPlane:
        return AuditedPlane(self.instance, self.topology, with_controllers=False)

    async def _set_up_objects(self) -> None:
        await super()._set_up_objects()
        for item in self.manifests:
            if item["kind"] in APPLIED:
                await self.create(item)
        await ensure_crds(self.client, [OLD_CRD])
        await self.create(CHILD)
        for account in ACCOUNTS:
            path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
            answer: Any = await self.client.request("POST", path, body={"spec": {}})
            self._write_kubeconfig(account, answer["status"]["token"])

    async def create(self, item: Manifest) -> None:
        """Create an object of any kind."""
        resource = await Kinds(self.client).resource(item["kind"], item["apiVersion"])
        await self.client.create(resource, item, item["metadata"].get("namespace", ""))

    def _write_kubeconfig(self, account: str, token: str) -> None:
        authority = base64.b64encode(self.plane.ca_file.read_bytes()).decode()
        path = self._kubeconfig(account)
        path.touch(mode=0o600)
        path.write_text(kubeconfig(self.plane.url, token, authority))

    async def is_refused(self, account: str, path: str) -> bool:
        """Tell whether an account may not read something."""
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.plane.host.namespace, str(tools.find("kubectl"))),
            *(f"--kubeconfig={self._kubeconfig(account)}", "get", f"--raw={path}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await process.communicate()
        return process.returncode != 0 and b"forbidden" in error

    def _kubeconfig(self, account: str) -> Path:
        return self.instance.directory / f"{account}.kubeconfig"

    def _process(self, name: str, arguments: list[str], *rest: Any, **named: Any) -> Process:
        """Make a process of the lab; a program of ours gets its own account."""
        program = arguments[1].removeprefix("metallb_")
        if program in ACCOUNTS:
            arguments[arguments.index("--kubeconfig") + 1] = str(self._kubeconfig(program))
        return super()._process(name, arguments, *rest, **named)
