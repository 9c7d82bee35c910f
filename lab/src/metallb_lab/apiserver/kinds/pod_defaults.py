"""Pod specs: defaults and the validation that Pods, Deployments and DaemonSets share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver.errors import FieldError, duplicate, invalid, not_supported, required
from metallb_lab.apiserver.metadata import label_1123

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document

CONTAINER_LISTS = ("initContainers", "containers")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_DEFAULTS = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
VOLUME_MODES = ("secret", "configMap", "downwardAPI", "projected")
DEFAULT_MODE = 0o644
RESTART_POLICIES = ["Always", "OnFailure", "Never"]
PULL_POLICIES = ["Always", "IfNotPresent", "Never"]


def default_pod_spec(spec: Document) -> None:
    """``SetDefaults_PodSpec`` and what it holds."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec or "serviceAccount" in spec:
        name = spec.get("serviceAccountName") or spec.get("serviceAccount")
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for listing in CONTAINER_LISTS:
        for container in spec.get(listing, ()):
            default_container(container)
    for volume in spec.get("volumes", ()):
        default_volume(volume)


def default_container(container: Document) -> None:
    """``SetDefaults_Container``."""
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = container.get("image", "")
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for name in PROBES:
        if probe := container.get(name):
            for field, value in PROBE_DEFAULTS.items():
                if not probe.get(field):
                    probe[field] = value
            default_http(probe)
    for hook in (container.get("lifecycle") or {}).values():
        default_http(hook)
    for variable in container.get("env", ()):
        if reference := (variable.get("valueFrom") or {}).get("fieldRef"):
            reference.setdefault("apiVersion", "v1")


def default_http(action: Document) -> None:
    """A probe or hook over HTTP."""
    if isinstance(request := action.get("httpGet"), dict):
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")


def default_volume(volume: Document) -> None:
    """A volume is an emptyDir unless it says otherwise; files have a mode."""
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for kind in VOLUME_MODES:
        if kind in volume:
            volume[kind].setdefault("defaultMode", DEFAULT_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")


def validate_pod_spec(spec: Document, path: str) -> list[FieldError]:
    """The parts that a controller's author gets wrong; not everything the real server checks."""
    found = []
    if not spec.get("containers"):
        found.append(required(f"{path}.containers"))
    names: set[str] = set()
    for listing in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(listing, ())):
            where = f"{path}.{listing}[{index}]"
            found += validate_container(container, where)
            name = container.get("name", "")
            if name in names:
                found.append(duplicate(f"{where}.name", name))
            names.add(name)
    policy = spec["restartPolicy"]
    if policy not in RESTART_POLICIES:
        found.append(not_supported(f"{path}.restartPolicy", policy, RESTART_POLICIES))
    return found


def validate_container(container: Document, path: str) -> list[FieldError]:
    """Name, image, ports, pull policy."""
    found = []
    name = container.get("name", "")
    if not name:
        found.append(required(f"{path}.name"))
    elif fault := label_1123(name):
        found.append(invalid(f"{path}.name", name, fault))
    if not container.get("image"):
        found.append(required(f"{path}.image"))
    policy = container["imagePullPolicy"]
    if policy not in PULL_POLICIES:
        found.append(not_supported(f"{path}.imagePullPolicy", policy, PULL_POLICIES))
    for index, port in enumerate(container.get("ports", ())):
        number = port.get("containerPort", 0)
        if not 1 <= number <= 65535:
            why = "must be between 1 and 65535, inclusive"
            found.append(invalid(f"{path}.ports[{index}].containerPort", number, why))
    return found
