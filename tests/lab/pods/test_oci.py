"""From a container's spec to what runc is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.pods.bodies import pod
from metallb_lab.pods.errors import NotYetError
from metallb_lab.pods.oci import DEFAULT_CAPABILITIES, Bind, Surroundings, configuration
from metallb_lab.pods.reading import read_pod

AROUND = Surroundings(
    root=Path("/r"),
    network=Path("/run/netns/n1"),
    host_name="n1",
    cgroup="/lab/pod/main",
    user=0,
    group=0,
    binds=(Bind(Path("/v"), "/etc/v", is_read_only=True), Bind(Path("/m"), "/run/m")),
)
DEFAULTS = {f"CAP_{name}" for name in DEFAULT_CAPABILITIES}


def made(security: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    read = read_pod(pod(securityContext=security or {}, **fields)).containers[0]
    return configuration(read, ["/bin/x", "--y"], {"A": "1"}, AROUND)


def test_process_root_and_network() -> None:
    found = made()
    assert found["process"]["args"] == ["/bin/x", "--y"]
    assert found["process"]["env"] == ["A=1"]
    assert found["process"]["user"] == {"uid": 0, "gid": 0}
    assert found["root"] == {"path": "/r", "readonly": False}
    assert found["hostname"] == "n1"
    assert {"type": "network", "path": "/run/netns/n1"} in found["linux"]["namespaces"]
    assert found["linux"]["cgroupsPath"] == "/lab/pod/main"


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ({}, DEFAULTS),
        ({"capabilities": {"drop": ["ALL"]}}, set()),
        ({"capabilities": {"drop": ["all"], "add": ["net_raw", "CAP_SYS_NICE"]}},
         {"CAP_NET_RAW", "CAP_SYS_NICE"}),
        ({"capabilities": {"drop": ["NET_RAW"]}}, DEFAULTS - {"CAP_NET_RAW"}),
        ({"capabilities": {"add": ["NET_ADMIN"]}}, DEFAULTS | {"CAP_NET_ADMIN"}),
    ],
)  # fmt: skip
def test_capabilities(security: dict[str, Any], expected: set[str]) -> None:
    held = made(security)["process"]["capabilities"]
    assert set(held) == {"bounding", "effective", "permitted"}
    assert all(set(names) == expected for names in held.values())


def test_security() -> None:
    plain = made()
    assert plain["process"]["noNewPrivileges"] is False
    assert "seccomp" not in plain["linux"]
    strict = made({
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    })  # fmt: skip
    assert strict["process"]["noNewPrivileges"] is True
    assert strict["root"]["readonly"] is True
    [refused] = strict["linux"]["seccomp"]["syscalls"]
    assert {"mount", "bpf", "unshare"} <= set(refused["names"])
    assert not {"socket", "sched_setscheduler"} & set(refused["names"])


def test_root_is_refused_where_it_must_not_be() -> None:
    with pytest.raises(NotYetError, match="runAsNonRoot"):
        made({"runAsNonRoot": True})


def test_volumes_come_behind_what_every_container_has() -> None:
    *system, volume, memory = made()["mounts"]
    assert {item["destination"] for item in system} >= {"/proc", "/dev", "/sys"}
    assert volume == {
        "destination": "/etc/v", "type": "bind", "source": "/v",
        "options": ["rbind", "rprivate", "ro"],
    }  # fmt: skip
    assert memory["options"][-1] == "rw"


def test_a_limit_of_memory() -> None:
    assert made()["linux"]["resources"]["memory"] == {}
    limited = made(resources={"limits": {"memory": "64Mi"}})
    assert limited["linux"]["resources"]["memory"] == {"limit": 64 * 2**20}
