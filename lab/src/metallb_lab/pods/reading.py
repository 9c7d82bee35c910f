"""The object of a Pod read into `metallb_lab.pods.model`; raises UnsupportedError.

What schedulers, admission and controllers read (affinity, priority, tolerations …) is passed over.
So are pull secrets and policies: images are here already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metallb_lab.pods.environment import is_known
from metallb_lab.pods.errors import UnsupportedError
from metallb_lab.pods.fields import Fields
from metallb_lab.pods.model import (
    ContainerSpec,
    DownwardFiles,
    EmptyDirectory,
    FieldRef,
    Files,
    Items,
    KeyRef,
    PodSpec,
    ProbeSpec,
    Security,
    Token,
    Variable,
    VolumeMount,
)
from metallb_lab.pods.quantities import whole_bytes

if TYPE_CHECKING:
    from metallb_lab.pods.model import Volume

OTHERS = (
    "affinity", "automountServiceAccountToken", "dnsPolicy", "enableServiceLinks",
    "imagePullSecrets", "nodeSelector", "preemptionPolicy", "priority", "priorityClassName",
    "schedulerName", "serviceAccount", "tolerations", "topologySpreadConstraints",
)  # fmt: skip
DEFAULT_TOKEN_SECONDS = 3600


def read_pod(value: dict[str, Any]) -> PodSpec:
    """Read a pod; raises UnsupportedError."""
    meta, spec = value["metadata"], Fields(value["spec"], "spec")
    spec.leave(*OTHERS)
    defaults = _pod_security(spec.child("securityContext"))
    read = PodSpec(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.take("nodeName", ""),
        containers=tuple(_container(item, defaults) for item in spec.children("containers")),
        volumes=dict(_volume(item) for item in spec.children("volumes")),
        service_account=spec.take("serviceAccountName", "default"),
        restart_policy=spec.choice("restartPolicy", "Always", "OnFailure", "Never"),
        on_host_network=spec.take("hostNetwork", False),
        grace_seconds=spec.take("terminationGracePeriodSeconds", 30),
    )
    spec.close()
    return read


# -- containers ------------------------------------------------------------------------------------


def _container(item: Fields, defaults: Security) -> ContainerSpec:
    item.leave("imagePullPolicy")
    item.choice("terminationMessagePolicy", "File")
    read = ContainerSpec(
        name=item.take("name"),
        image=item.take("image", ""),
        command=tuple(item.take("command", [])),
        arguments=tuple(item.take("args", [])),
        working_directory=item.take("workingDir", "/"),
        environment=tuple(_variable(found) for found in item.children("env")),
        ports=tuple(
            (port["name"], port["containerPort"])
            for port in item.take("ports", [])
            if port.get("name")
        ),
        mounts=tuple(_mount(found) for found in item.children("volumeMounts")),
        security=_container_security(item.child("securityContext"), defaults),
        liveness=_probe(item, "livenessProbe"),
        readiness=_probe(item, "readinessProbe"),
        startup=_probe(item, "startupProbe"),
        memory_bytes=_memory(item.child("resources")),
        message_path=item.take("terminationMessagePath", "/dev/termination-log"),
    )
    item.close()
    return read


def _variable(item: Fields) -> Variable:
    name, text, given = item.take("name"), item.take("value", ""), item.child("valueFrom")
    item.close()
    source: str | FieldRef | KeyRef = text
    if given.has("fieldRef"):
        source = FieldRef(_field_path(given.child("fieldRef")))
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if given.has(field):
            ref = given.child(field)
            key, optional = ref.take("key"), ref.take("optional", False)
            source = KeyRef(kind, ref.take("name"), key, optional)
            ref.close()
    given.close()
    return Variable(name, source)


def _field_path(ref: Fields) -> str:
    ref.choice("apiVersion", "v1")
    path = str(ref.take("fieldPath"))
    ref.close()
    if not is_known(path):
        raise UnsupportedError(f"{ref.path}.fieldPath: {path!r}")
    return path


def _mount(item: Fields) -> VolumeMount:
    item.choice("recursiveReadOnly", "Disabled")
    item.choice("mountPropagation", "None")
    read = VolumeMount(item.take("name"), item.take("mountPath"), item.take("readOnly", False))
    item.close()
    return read


def _memory(resources: Fields) -> int | None:
    resources.leave("requests")  # the scheduler's
    limits = resources.child("limits")
    memory = limits.take("memory")
    limits.close()
    resources.close()
    return None if memory is None else whole_bytes(memory)


def _probe(container: Fields, name: str) -> ProbeSpec | None:
    if not container.has(name):
        return None
    item = container.child(name)
    read = ProbeSpec(
        period_seconds=float(item.take("periodSeconds", 10)),
        timeout_seconds=float(item.take("timeoutSeconds", 1)),
        initial_delay_seconds=float(item.take("initialDelaySeconds", 0)),
        success_threshold=item.take("successThreshold", 1),
        failure_threshold=item.take("failureThreshold", 3),
        **_probe_action(item),
    )
    item.close()
    return read


def _probe_action(item: Fields) -> dict[str, Any]:
    if item.has("exec"):
        action = item.child("exec")
        found: dict[str, Any] = {"command": tuple(action.take("command", []))}
    elif item.has("tcpSocket"):
        action = item.child("tcpSocket")
        found = {"port": action.take("port"), "host": action.take("host", "")}
    elif item.has("httpGet"):
        action = item.child("httpGet")
        found = {
            "scheme": action.choice("scheme", "HTTP", "HTTPS"),
            "host": action.take("host", ""),
            "port": action.take("port"),
            "path": action.take("path", "/"),
            "headers": tuple(
                (head["name"], head["value"]) for head in action.take("httpHeaders", [])
            ),
        }
    else:
        raise UnsupportedError(f"{item.path}: exec, tcpSocket or httpGet is wanted")
    action.close()
    return found


# -- security --------------------------------------------------------------------------------------


def _common_security(item: Fields, above: Security) -> Security:
    """Read what pods and containers may both say, over what was said above."""
    seccomp = item.child("seccompProfile")
    words = ["Unconfined", "RuntimeDefault"]
    default, other = reversed(words) if above.has_seccomp else words
    has_seccomp = seccomp.choice("type", default, other) == "RuntimeDefault"
    seccomp.close()
    return replace(
        above,
        user=item.take("runAsUser", above.user),
        group=item.take("runAsGroup", above.group),
        must_be_non_root=item.take("runAsNonRoot", above.must_be_non_root),
        has_seccomp=has_seccomp,
    )


def _pod_security(item: Fields) -> Security:
    read = _common_security(item, Security())
    item.close()
    return read


def _container_security(item: Fields, above: Security) -> Security:
    common = _common_security(item, above)
    item.choice("procMount", "Default")
    capabilities = item.child("capabilities")
    read = replace(
        common,
        is_root_read_only=item.take("readOnlyRootFilesystem", False),
        may_gain_privileges=item.take("allowPrivilegeEscalation", True),
        added=tuple(capabilities.take("add", [])),
        dropped=tuple(capabilities.take("drop", [])),
    )
    capabilities.close()
    item.close()
    if "ALL" in read.added:
        raise UnsupportedError(f"{item.path}.capabilities.add: ALL")
    return read


# -- volumes ---------------------------------------------------------------------------------------


def _volume(item: Fields) -> tuple[str, Volume]:
    name = str(item.take("name"))
    volume: Volume
    if item.has("emptyDir"):
        volume = _empty_directory(item.child("emptyDir"))
    elif item.has("configMap"):
        volume = _files_of("ConfigMap", item.child("configMap"), "name")
    elif item.has("secret"):
        volume = _files_of("Secret", item.child("secret"), "secretName")
    elif item.has("projected"):
        volume = _projected(item.child("projected"))
    else:
        raise UnsupportedError(f"{item.path}: the agent does not know this kind of volume")
    item.close()
    return name, volume


def _empty_directory(item: Fields) -> EmptyDirectory:
    in_memory = item.choice("medium", "", "Memory") == "Memory"
    if not in_memory and item.has("sizeLimit"):
        raise UnsupportedError(f"{item.path}.sizeLimit: only in memory")
    limit = item.take("sizeLimit")
    item.close()
    return EmptyDirectory(in_memory, None if limit is None else whole_bytes(limit))


def _files_of(kind: str, item: Fields, name_field: str) -> Files:
    mode = item.take("defaultMode", 0o644)
    return Files((_items(kind, item, name_field),), mode)


def _items(kind: str, item: Fields, name_field: str) -> Items:
    read = Items(
        kind,
        item.take(name_field, ""),
        tuple(_key_path(found) for found in item.children("items")),
        item.take("optional", False),
    )
    item.close()
    return read


def _key_path(item: Fields) -> tuple[str, str]:
    read = str(item.take("key")), str(item.take("path"))
    item.close()
    return read


def _projected(item: Fields) -> Files:
    sources = tuple(_source(found) for found in item.children("sources"))
    mode = item.take("defaultMode", 0o644)
    item.close()
    return Files(sources, mode)


def _source(item: Fields) -> Items | Token | DownwardFiles:
    read: Items | Token | DownwardFiles
    if item.has("configMap"):
        read = _items("ConfigMap", item.child("configMap"), "name")
    elif item.has("secret"):
        read = _items("Secret", item.child("secret"), "name")
    elif item.has("serviceAccountToken"):
        read = _token(item.child("serviceAccountToken"))
    elif item.has("downwardAPI"):
        read = _downward(item.child("downwardAPI"))
    else:
        raise UnsupportedError(f"{item.path}: the agent does not know this source")
    item.close()
    return read


def _token(item: Fields) -> Token:
    seconds = item.take("expirationSeconds", DEFAULT_TOKEN_SECONDS)
    read = Token(item.take("path"), item.take("audience", ""), seconds)
    item.close()
    return read


def _downward(item: Fields) -> DownwardFiles:
    paths = []
    for found in item.children("items"):
        paths.append((str(found.take("path")), _field_path(found.child("fieldRef"))))
        found.close()
    item.close()
    return DownwardFiles(tuple(paths))
