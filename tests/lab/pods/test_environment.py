"""What stands in a container's environment, and what its words become."""

from __future__ import annotations

import pytest

from lab.pods.bodies import pod
from metallb_lab.pods.environment import (
    api_server_variables,
    environment_of,
    expand,
    field_of,
    is_known,
)
from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.model import FieldRef, KeyRef, Variable

DATA = {("Secret", "s"): {"k": b"secret"}, ("ConfigMap", "gone"): None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("--listen=$(IP):80", "--listen=10.0.0.1:80"),
        ("$(NOT_THERE)", "$(NOT_THERE)"),
        ("$$(IP)", "$(IP)"),
        ("$IP $", "$IP $"),
        ("$(IP)$(IP)", "10.0.0.110.0.0.1"),
    ],
)
def test_references_are_replaced(text: str, expected: str) -> None:
    assert expand(text, {"IP": "10.0.0.1"}) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "speaker-x"),
        ("metadata.namespace", "d8-metallb"),
        ("metadata.uid", "0f0e"),
        ("metadata.labels['app']", "speaker"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a']", ""),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "speaker"),
        ("status.podIP", "10.244.1.2"),
        ("status.podIPs", ""),
        ("status.hostIP", "10.10.0.11"),
        ("status.hostIPs", ""),
    ],
)
def test_fields_of_the_pod(path: str, expected: str) -> None:
    assert is_known(path)
    assert field_of(pod(), path) == expected


def test_a_field_that_is_not_known() -> None:
    assert not is_known("spec.containers")
    with pytest.raises(UnsupportedError, match=r"spec\.containers"):
        field_of(pod(), "spec.containers")


def test_variables_see_those_before_them_and_lie_over_what_is_beneath() -> None:
    found = environment_of(
        [
            Variable("A", "1"),
            Variable("B", "$(A)$(C)"),
            Variable("C", "3"),
            Variable("NODE", FieldRef("spec.nodeName")),
            Variable("KEY", KeyRef("Secret", "s", "k")),
            Variable("PATH", "/mine"),
        ],
        pod(),
        DATA,
        {"PATH": "/image", "LANG": "C"},
    )
    assert found == {
        "PATH": "/mine", "LANG": "C", "A": "1", "B": "1$(C)", "C": "3", "NODE": "n1",
        "KEY": "secret",
    }  # fmt: skip


@pytest.mark.parametrize("ref", [KeyRef("Secret", "s", "other"), KeyRef("ConfigMap", "gone", "k")])
def test_a_key_that_is_not_there_is_waited_for_unless_it_is_optional(ref: KeyRef) -> None:
    with pytest.raises(NotYetError, match=ref.name) as error:
        environment_of([Variable("V", ref)], pod(), DATA, {})
    assert error.value.reason == "CreateContainerConfigError"
    optional = KeyRef(ref.kind, ref.name, ref.key, is_optional=True)
    assert environment_of([Variable("V", optional)], pod(), DATA, {}) == {}


def test_where_the_api_server_is() -> None:
    found = api_server_variables("10.96.0.1", 443)
    assert (found["KUBERNETES_SERVICE_HOST"], found["KUBERNETES_SERVICE_PORT"]) == (
        "10.96.0.1", "443",
    )  # fmt: skip
    assert found["KUBERNETES_PORT_443_TCP"] == "tcp://10.96.0.1:443"
