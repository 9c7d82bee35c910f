"""Pods read: each field that is known, and each way to say one that is not."""

from __future__ import annotations

from typing import Any

import pytest

from lab.pods.bodies import pod
from metallb_lab.pods.errors import UnsupportedError
from metallb_lab.pods.model import (
    DownwardFiles,
    EmptyDirectory,
    FieldRef,
    Files,
    Items,
    KeyRef,
    ProbeSpec,
    Token,
    Variable,
    VolumeMount,
)
from metallb_lab.pods.reading import read_pod

HTTP = {"httpGet": {"path": "/healthz", "port": 8443, "scheme": "HTTPS"}}


def container(**fields: Any) -> Any:
    return read_pod(pod(**fields)).containers[0]


def volume(**source: Any) -> Any:
    return read_pod(pod({"volumes": [{"name": "v", **source}]})).volumes["v"]


def test_a_plain_pod() -> None:
    read = read_pod(pod())
    assert (read.namespace, read.name, read.uid, read.node) == (
        "d8-metallb", "speaker-x", "0f0e", "n1",
    )  # fmt: skip
    assert (read.service_account, read.restart_policy, read.grace_seconds) == (
        "speaker", "Always", 30,
    )  # fmt: skip
    assert not read.on_host_network


def test_words_and_network() -> None:
    read = read_pod(pod({"hostNetwork": True, "terminationGracePeriodSeconds": 5}))
    assert (read.on_host_network, read.grace_seconds) == (True, 5)
    read_container = container(command=["a"], args=["b", "c"], workingDir="/w")
    assert (read_container.command, read_container.arguments) == (("a",), ("b", "c"))
    assert read_container.working_directory == "/w"


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"value": "text"}, "text"),
        ({}, ""),
        ({"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
         FieldRef("spec.nodeName")),
        ({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
         KeyRef("ConfigMap", "c", "k")),
        ({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
         KeyRef("Secret", "s", "k", is_optional=True)),
    ],
)  # fmt: skip
def test_variables(given: dict[str, Any], source: Any) -> None:
    assert container(env=[{"name": "V", **given}]).environment == (Variable("V", source),)


@pytest.mark.parametrize(
    ("given", "probe"),
    [
        (HTTP, ProbeSpec(scheme="HTTPS", port=8443, path="/healthz")),
        ({"httpGet": {"port": "web", "host": "127.0.0.1"}},
         ProbeSpec(scheme="HTTP", port="web", host="127.0.0.1")),
        ({"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "b"}]}},
         ProbeSpec(scheme="HTTP", port=1, headers=(("A", "b"),))),
        ({"tcpSocket": {"port": 7475}}, ProbeSpec(port=7475)),
        ({"exec": {"command": ["true"]}}, ProbeSpec(command=("true",))),
        ({"tcpSocket": {"port": 1}, "periodSeconds": 5, "timeoutSeconds": 3,
          "initialDelaySeconds": 2, "successThreshold": 2, "failureThreshold": 6},
         ProbeSpec(5.0, 3.0, 2.0, 2, 6, port=1)),
    ],
)  # fmt: skip
def test_probes(given: dict[str, Any], probe: ProbeSpec) -> None:
    for name, field in (
        ("livenessProbe", "liveness"),
        ("readinessProbe", "readiness"),
        ("startupProbe", "startup"),
    ):
        assert getattr(container(**{name: given}), field) == probe


def test_what_a_container_says_wins_over_its_pod() -> None:
    security = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 64535,
            "runAsGroup": 64535,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }
    inherited = read_pod(pod(security)).containers[0].security
    assert (inherited.user, inherited.group, inherited.must_be_non_root) == (64535, 64535, True)
    assert inherited.has_seccomp
    own = {
        "runAsUser": 0,
        "runAsNonRoot": False,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]},
        "seccompProfile": {"type": "Unconfined"},
    }
    read = read_pod(pod(security, securityContext=own)).containers[0].security
    assert (read.user, read.group, read.must_be_non_root) == (0, 64535, False)
    assert (read.is_root_read_only, read.may_gain_privileges) == (True, False)
    assert (read.added, read.dropped, read.has_seccomp) == (("NET_RAW",), ("ALL",), False)


def test_nothing_said_of_users_leaves_them_to_the_image() -> None:
    read = read_pod(pod()).containers[0].security
    assert (read.user, read.group, read.has_seccomp) == (None, None, False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"emptyDir": {}}, EmptyDirectory()),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, EmptyDirectory(True, 2**20)),
        ({"secret": {"secretName": "s", "defaultMode": 0o400}},
         Files((Items("Secret", "s"),), 0o400)),
        ({"configMap": {"name": "c", "optional": True, "items": [{"key": "k", "path": "p"}]}},
         Files((Items("ConfigMap", "c", (("k", "p"),), is_optional=True),))),
        ({"projected": {"defaultMode": 0o644, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "a", "path": "b"}]}},
            {"secret": {"name": "s"}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]}}, Files((
            Token("token", "", 3607),
            Items("ConfigMap", "kube-root-ca.crt", (("a", "b"),)),
            Items("Secret", "s"),
            DownwardFiles((("namespace", "metadata.namespace"),)),
        ))),
    ],
)  # fmt: skip
def test_volumes(source: dict[str, Any], expected: object) -> None:
    assert volume(**source) == expected


def test_mounts_ports_and_memory() -> None:
    read = container(
        volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True}],
        ports=[{"name": "web", "containerPort": 80}, {"containerPort": 81}],
        resources={"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
    )
    assert read.mounts == (VolumeMount("v", "/v", is_read_only=True),)
    assert read.ports == (("web", 80),)
    assert read.memory_bytes == 64 * 2**20


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"initContainers": [{"name": "i"}]}, "spec.initContainers"),
        ({"hostPID": True}, "spec.hostPID"),
        ({"shareProcessNamespace": True}, "spec.shareProcessNamespace"),
        ({"runtimeClassName": "kata"}, "spec.runtimeClassName"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy"),
        ({"securityContext": {"fsGroup": 1}}, "spec.securityContext.fsGroup"),
        ({"securityContext": {"seccompProfile": {"type": "Localhost"}}},
         "spec.securityContext.seccompProfile.type"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "spec.volumes[0]"),
        ({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]},
         "spec.volumes[0].emptyDir.sizeLimit"),
        ({"volumes": [{"name": "v", "secret": {"items": [{"key": "k", "path": "p", "mode": 1}]}}]},
         "spec.volumes[0].secret.items[0].mode"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {}}]}}]},
         "spec.volumes[0].projected.sources[0]"),
    ],
)  # fmt: skip
def test_a_pod_with_what_is_not_known_is_refused(spec: dict[str, Any], path: str) -> None:
    with pytest.raises(UnsupportedError) as refusal:
        read_pod(pod(spec))
    assert str(refusal.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, "lifecycle"),
        ({"tty": True}, "tty"),
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, "envFrom"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]},
         "volumeMounts[0].subPath"),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources.limits.cpu"),
        ({"terminationMessagePolicy": "FallbackToLogsOnError"}, "terminationMessagePolicy"),
        ({"livenessProbe": {"grpc": {"port": 1}}}, "livenessProbe"),
        ({"livenessProbe": {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 1}},
         "livenessProbe.terminationGracePeriodSeconds"),
        ({"securityContext": {"privileged": True}}, "securityContext.privileged"),
        ({"securityContext": {"procMount": "Unmasked"}}, "securityContext.procMount"),
        ({"securityContext": {"capabilities": {"add": ["ALL"]}}},
         "securityContext.capabilities.add"),
        ({"env": [{"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]},
         "env[0].valueFrom.resourceFieldRef"),
        ({"env": [{"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "metadata.x"}}}]},
         "env[0].valueFrom.fieldRef.fieldPath"),
    ],
)  # fmt: skip
def test_a_container_with_what_is_not_known_is_refused(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(UnsupportedError) as refusal:
        read_pod(pod(**fields))
    assert str(refusal.value).startswith(f"spec.containers[0].{path}:")


def test_what_is_said_and_empty_is_as_if_it_were_not_said() -> None:
    read_pod(pod({"hostPID": False, "initContainers": [], "runtimeClassName": None}))


@pytest.mark.parametrize("quantity", ["1.5Gi", "lots", "10m"])
def test_a_quantity_that_is_no_number_of_bytes_is_refused(quantity: str) -> None:
    with pytest.raises(UnsupportedError, match="whole number of bytes"):
        container(resources={"limits": {"memory": quantity}})
