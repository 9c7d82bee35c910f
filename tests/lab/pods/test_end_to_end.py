"""Workloads on the real API server: the controllers, the scheduler and the agents together.

What the containers do is a script for the interpreter of an image of ours; it writes what it sees
of itself into its log.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from metallb.kube.errors import NotFoundError
from metallb_lab import backends, images, probes
from metallb_lab.objects import DAEMON_SETS, DEPLOYMENTS, PODS, SECRETS
from metallb_lab.pods import web
from metallb_lab.pods.cluster import PodCluster
from metallb_lab.pods.context import AgentSettings
from metallb_lab.pods.module import reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import JsonObject

pytestmark = [
    pytest.mark.netns,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

SECONDS = 60.0
SETTINGS = AgentSettings(refresh_seconds=0.2, retry_seconds=0.2, first_crash_seconds=0.2)
BLOCK = (
    "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])\n"
)
"""The first process of a container gets no signal that it neither blocks nor handles."""

FOREVER = BLOCK + "print('up', flush=True); signal.sigwait([signal.SIGTERM])"
DEAF = BLOCK + "print('up', flush=True)\nwhile 1: signal.pause()"
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[PodCluster]:
    found = {"controller": images.ensure("controller")}
    async with PodCluster(found, nodes=2, settings=SETTINGS) as made:
        yield made


@pytest.fixture
def image(cluster: PodCluster) -> str:
    return reference(cluster.images["controller"])


def a_pod(image: str, script: str = FOREVER, **spec: Any) -> JsonObject:
    container = {
        "name": "main",
        "image": image,
        "command": [web.PYTHON, "-I", "-c", script],
        **spec.pop("container", {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{next(_numbers)}", "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


class Running:
    """A pod, from its making to its end."""

    def __init__(self, cluster: PodCluster, value: JsonObject) -> None:
        self.cluster = cluster
        self.name = value["metadata"]["name"]
        self.value = value

    async def __aenter__(self) -> Running:
        await self.cluster.apply(self.value)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.delete()
        else:  # its node may be away: what went wrong is to be seen, and not this
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
            path = PODS.path("default", self.name)
            await self.cluster.client.request("DELETE", path, body=body)

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.cluster.get("Pod", self.name)).get("status") or {}
        return found

    async def container(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = (await self.status()).get("containerStatuses") or [{}]
        return found[0]

    def log(self) -> str:
        logs = self.cluster.instance.directory / "logs"
        path = logs / f"pod-default-{self.name}-main.log"
        return path.read_text() if path.exists() else ""

    async def until(self, what: str, holds: Any) -> None:
        async def asked() -> bool:
            return bool(await holds())

        await self.cluster.until_true(asked, SECONDS, f"{self.name}: {what}", "default")

    async def until_phase(self, phase: str) -> None:
        async def is_so() -> bool:
            return (await self.status()).get("phase") == phase

        await self.until(phase, is_so)

    async def until_said(self, text: str) -> None:
        async def is_said() -> bool:
            return text in self.log()

        await self.until(f"says {text!r}", is_said)

    async def delete(self) -> None:
        async def is_gone() -> bool:
            try:
                await self.cluster.get("Pod", self.name)
            except NotFoundError:
                return True
            return False

        try:
            await self.cluster.client.delete(PODS, self.name, "default")
        except NotFoundError:
            return
        await self.until("is gone", is_gone)


# -- workloads -------------------------------------------------------------------------------------


async def test_a_deployment_becomes_ready_serves_rolls_and_goes(
    cluster: PodCluster, image: str
) -> None:
    body = web.deployment("web", image, 2)
    await cluster.apply(body)
    await cluster.until_rolled_out("Deployment", "web", seconds=SECONDS)
    first = await cluster.pods("default", app="web")
    assert {item["spec"]["nodeName"] for item in first} == {"n1", "n2"}
    client = cluster.topology.hosts["n1"].namespace
    for item in first:
        answer = probes.http_get(client, item["status"]["podIP"], backends.PORT)
        assert (answer.pod, answer.node) == (item["metadata"]["name"], item["spec"]["nodeName"])
    body["spec"]["template"]["metadata"]["annotations"] = {"again": "yes"}
    await cluster.apply(body)
    await cluster.until_rolled_out("Deployment", "web", seconds=SECONDS)
    old = {item["metadata"]["uid"] for item in first}

    async def all_new() -> bool:
        found = {item["metadata"]["uid"] for item in await cluster.pods("default", app="web")}
        return len(found) == 2 and not found & old

    await cluster.until_true(all_new, SECONDS, "the old pods are gone", "default")
    await cluster.client.delete(DEPLOYMENTS, "web", "default")
    await cluster.until_true(lambda: none_left(cluster, app="web"), SECONDS, "gone", "default")
    assert cluster.topology.pods == {}


async def test_a_daemon_set_of_the_hosts_network_runs_on_each_node(
    cluster: PodCluster, image: str
) -> None:
    labels = {"app": "each"}
    container = {"name": "main", "image": image, "command": [web.PYTHON, "-I", "-c", FOREVER]}
    spec = {"hostNetwork": True, "containers": [container], "terminationGracePeriodSeconds": 1}
    body = {
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "each", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }  # fmt: skip
    await cluster.apply(body)
    await cluster.until_rolled_out("DaemonSet", "each", seconds=SECONDS)
    found = await cluster.pods("default", app="each")
    hosts = cluster.topology.hosts
    assert {item["spec"]["nodeName"]: item["status"]["podIP"] for item in found} == {
        name: hosts[name].ipv4 for name in ("n1", "n2")
    }
    container["command"] = [web.PYTHON, "-I", "-c", FOREVER + " # again"]
    await cluster.apply(body)
    await cluster.until_rolled_out("DaemonSet", "each", seconds=SECONDS)
    await cluster.client.delete(DAEMON_SETS, "each", "default")
    await cluster.until_true(lambda: none_left(cluster, app="each"), SECONDS, "gone", "default")


async def none_left(cluster: PodCluster, **labels: str) -> bool:
    return not await cluster.pods("default", **labels)


# -- containers ------------------------------------------------------------------------------------


async def test_one_that_fails_its_liveness_probe_is_started_again(
    cluster: PodCluster, image: str
) -> None:
    script = BLOCK + (
        "import sys\n"
        "open('/run/alive', 'a').write('x')\n"
        "print('runs', len(open('/run/alive').read()), flush=True)\n"
        "signal.sigwait([signal.SIGTERM]); sys.exit(7)"
    )
    alive = [web.PYTHON, "-c", "import sys; sys.exit(len(open('/run/alive').read()) < 2)"]
    liveness = {"exec": {"command": alive}, "periodSeconds": 1, "timeoutSeconds": 5}
    mounts = {"volumeMounts": [{"name": "run", "mountPath": "/run"}], "livenessProbe": liveness}
    volumes = [{"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    body = a_pod(image, script, container=mounts, volumes=volumes)
    async with Running(cluster, body) as running:
        await running.until_said("runs 2")

        async def is_again() -> bool:
            found = await running.container()
            return bool(found.get("restartCount") == 1 and found["ready"])

        await running.until("runs again", is_again)
        last = (await running.container())["lastState"]["terminated"]
        assert last["exitCode"] == 7
        events = await cluster.events(running.name)
        assert any("Liveness probe failed" in item["message"] for item in events)


async def test_readiness_is_asked_for_again_and_again(cluster: PodCluster, image: str) -> None:
    script = BLOCK + (
        "import os\nopen('/run/ready', 'w')\nprint('up', flush=True)\n"
        "signal.sigwait([signal.SIGUSR1]); os.unlink('/run/ready')\n"
        "signal.sigwait([signal.SIGTERM])"
    )
    ready = [web.PYTHON, "-c", "open('/run/ready')"]
    readiness = {
        "exec": {"command": ready}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 1,
    }  # fmt: skip
    mounts = {"volumeMounts": [{"name": "run", "mountPath": "/run"}], "readinessProbe": readiness}
    body = a_pod(image, script, container=mounts, volumes=[{"name": "run", "emptyDir": {}}])
    async with Running(cluster, body) as running:

        async def is_ready(wanted: bool) -> bool:
            return (await running.container()).get("ready") is wanted

        await running.until("ready", lambda: is_ready(True))
        pid = pid_of(cluster, running.name)
        signal_process(pid)
        await running.until("not ready", lambda: is_ready(False))
        assert (await running.container())["restartCount"] == 0


def pid_of(cluster: PodCluster, name: str) -> int:
    workers = [agent.worker(name) for agent in cluster.agents.values()]
    [worker] = [item for item in workers if item is not None]
    return worker.pids()["main"]


def signal_process(pid: int) -> None:
    os.kill(pid, signal.SIGUSR1)


async def test_one_that_crashes_waits_and_says_so(cluster: PodCluster, image: str) -> None:
    async with Running(cluster, a_pod(image, "raise SystemExit(3)")) as running:

        async def is_waiting() -> bool:
            found = await running.container()
            state = found.get("state", {}).get("waiting", {})
            is_told = state.get("reason") == "CrashLoopBackOff"
            return is_told and bool(found["restartCount"] >= 2)

        await running.until("waits", is_waiting)
        assert (await running.container())["lastState"]["terminated"]["exitCode"] == 3


async def test_one_that_is_done_is_done(cluster: PodCluster, image: str) -> None:
    script = "open('/dev/termination-log', 'w').write('that is all')"
    async with Running(cluster, a_pod(image, script, restartPolicy="Never")) as running:
        await running.until_phase("Succeeded")
        ended = (await running.container())["state"]["terminated"]
        assert (ended["exitCode"], ended["message"]) == (0, "that is all")


@pytest.mark.parametrize(
    ("script", "is_heard"), [(FOREVER, True), (DEAF, False)], ids=["polite", "deaf"]
)
async def test_a_pod_ends_within_its_grace(
    cluster: PodCluster, image: str, script: str, is_heard: bool
) -> None:
    body = a_pod(image, f"{script}\nprint('heard', flush=True)", terminationGracePeriodSeconds=2)
    async with Running(cluster, body) as running:
        await running.until_said("up")
        pid = pid_of(cluster, running.name)
        await running.delete()
        with pytest.raises(ProcessLookupError):
            signal_process(pid)
        assert ("heard" in running.log()) is is_heard


# -- what a container is given ---------------------------------------------------------------------

LOOK = (
    BLOCK
    + """
import json, os, socket, signal, ssl, urllib.request
def read(path):
    try:
        return open(path).read()
    except OSError as error:
        return type(error).__name__
def write(path):
    try:
        open(path, 'w').close()
        return 'written'
    except OSError as error:
        return os.strerror(error.errno)
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
account = '/var/run/secrets/kubernetes.io/serviceaccount/'
def ask():
    url = 'https://%s:%s/apis' % (
        os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT'])
    request = urllib.request.Request(
        url, headers={'Authorization': 'Bearer ' + read(account + 'token')})
    context = ssl.create_default_context(cafile=account + 'ca.crt')
    return urllib.request.urlopen(request, context=context, timeout=10).status
print(json.dumps({
    'environment': {name: os.environ.get(name) for name in ('IP', 'NODE', 'WORD', 'BOTH')},
    'user': [os.getuid(), os.getgid()], 'host': socket.gethostname(),
    'capabilities': int(status['CapEff'], 16), 'privileges': status['NoNewPrivs'].strip(),
    'seccomp': status['Seccomp'].strip(), 'pid': os.getpid(),
    'root': write('/x'), 'volume': write('/data/x'), 'secret': write('/secret/word'),
    'read': read('/secret/word'), 'namespace': read(account + 'namespace'), 'api': ask(),
}), flush=True)
seen = read('/secret/word')
while True:
    if seen != (now := read('/secret/word')):
        print('changed to', now, flush=True)
        seen = now
    if signal.sigtimedwait([signal.SIGTERM], 0.05):
        break
"""
)


async def test_what_it_is_given_and_a_secret_that_changes(cluster: PodCluster, image: str) -> None:
    await cluster.apply(secret("first"))
    variables = [
        {"name": "IP", "valueFrom": web.field("status.podIP")},
        {"name": "NODE", "valueFrom": web.field("spec.nodeName")},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "words", "key": "word"}}},
        {"name": "BOTH", "value": "$(NODE) $(WORD)"},
    ]
    container = {
        "env": variables,
        "volumeMounts": [
            {"name": "secret", "mountPath": "/secret", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
        "securityContext": {
            "runAsUser": 1234,
            "runAsGroup": 1235,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    volumes = [
        {"name": "secret", "secret": {"secretName": "words"}},
        {"name": "data", "emptyDir": {}},
    ]
    body = a_pod(image, LOOK, container=container, volumes=volumes)
    async with Running(cluster, body) as running:
        await running.until_said("}\n")
        seen = json.loads(running.log().splitlines()[0])
        status = await running.status()
        node = (await cluster.get("Pod", running.name))["spec"]["nodeName"]
        assert seen == {
            "environment": {
                "IP": status["podIP"], "NODE": node, "WORD": "first", "BOTH": f"{node} first",
            },
            "user": [1234, 1235], "host": running.name, "capabilities": 0, "privileges": "1",
            "seccomp": "2", "pid": 1, "root": "Read-only file system", "volume": "written",
            "secret": "Read-only file system", "read": "first", "namespace": "default",
            "api": 200,
        }  # fmt: skip
        await cluster.apply(secret("second"))
        await running.until_said("changed to second")
    await cluster.client.delete(SECRETS, "words", "default")


def secret(word: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "words", "namespace": "default"},
        "data": {"word": base64.b64encode(word.encode()).decode()},
    }


async def test_what_is_not_there_yet_is_waited_for(cluster: PodCluster, image: str) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volumes = [{"name": "v", "secret": {"secretName": "words"}}]
    async with Running(cluster, a_pod(image, container=mounts, volumes=volumes)) as running:

        async def is_told() -> bool:
            events = await cluster.events(running.name)
            return any(item["reason"] == "FailedMount" for item in events)

        await running.until("says what is missing", is_told)
        await cluster.apply(secret("late"))
        await running.until_said("up")
    await cluster.client.delete(SECRETS, "words", "default")


async def test_a_pod_that_says_what_the_agent_does_not_know_fails(
    cluster: PodCluster, image: str
) -> None:
    async with Running(cluster, a_pod(image, hostPID=True)) as running:
        await running.until_phase("Failed")
        status = await running.status()
        assert status["message"] == "spec.hostPID: the agent does not know this field"
        [event] = [item for item in await cluster.events(running.name) if item["type"] == "Warning"]
        assert event["message"] == status["message"]


async def test_an_image_that_is_not_there_is_waited_for(cluster: PodCluster, image: str) -> None:
    body = a_pod(image.replace("@sha256:", "@sha256:0"))
    async with Running(cluster, body) as running:

        async def is_told() -> bool:
            state = (await running.container()).get("state", {})
            return bool(state.get("waiting", {}).get("reason") == "ErrImagePull")

        await running.until("says that it has no image", is_told)


# -- nodes -----------------------------------------------------------------------------------------


async def test_a_container_of_a_node_that_is_cut_off_is_started_again(
    cluster: PodCluster, image: str
) -> None:
    await cluster.apply(secret("known"))
    variable = {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "words", "key": "word"}}}
    script = FOREVER.replace("'up'", "'up', __import__('os').environ['WORD']")
    body = a_pod(image, script, nodeName="n2", container={"env": [variable]})
    async with Running(cluster, body) as running:
        await running.until_said("up known")
        await cluster.cut_off("n2")
        os.kill(pid_of(cluster, running.name), signal.SIGKILL)
        await running.until_said("up known\nup known")
        await cluster.plug_in("n2")

        async def is_told() -> bool:
            return bool((await running.container())["restartCount"] == 1)

        await running.until("tells of it", is_told)
        await cluster.until_node_ready("n2")
    await cluster.client.delete(SECRETS, "words", "default")


async def test_a_node_that_dies_is_given_up_and_its_pods_run_again_when_it_returns(
    cluster: PodCluster, image: str
) -> None:
    await cluster.until_node_ready("n2")
    async with Running(cluster, a_pod(image, nodeName="n2")) as running:
        await running.until_phase("Running")

        async def is_ready(wanted: bool, restarts: int) -> bool:
            found = await running.status()
            ready = {item["type"]: item["status"] for item in found["conditions"]}["Ready"]
            counted = found["containerStatuses"][0]["restartCount"]
            return (ready == "True", counted) == (wanted, restarts)

        await running.until("ready", lambda: is_ready(True, 0))
        pid = pid_of(cluster, running.name)
        await cluster.power_off("n2")
        with pytest.raises(ProcessLookupError):
            signal_process(pid)
        await running.until("given up", lambda: is_ready(False, 0))
        await cluster.power_on("n2")
        await cluster.until_in_touch("n2")
        await running.until("ready again", lambda: is_ready(True, 1))
