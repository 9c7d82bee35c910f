"""Arguments, environment and the file of keys."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from metallb_speaker.settings import BgpSettings, KeyFileError, read_keys, read_settings


def test_all_has_a_usual_value() -> None:
    found = read_settings([], {})
    assert found.node == socket.gethostname()
    assert (found.namespace, found.kubeconfig) == ("d8-metallb", None)
    assert (found.heartbeat_port, found.metrics_host, found.metrics_port) == (
        4225,
        "127.0.0.1",
        7474,
    )
    assert (found.liveness.interval_seconds, found.liveness.multiplier) == (0.05, 3)
    assert found.liveness.detection_seconds == pytest.approx(0.15)
    assert found.realtime_priority == 10


def test_a_pod_says_where_it_is_by_its_environment() -> None:
    found = read_settings([], {"NODE_NAME": "n7", "POD_NAMESPACE": "metallb-system"})
    assert (found.node, found.namespace) == ("n7", "metallb-system")


def test_arguments_go_before_all_else() -> None:
    found = read_settings(
        [
            *("--node-name", "n1", "--kubeconfig", "/k", "--key-file", "/keys"),
            *("--heartbeat-milliseconds", "100", "--heartbeat-multiplier", "5"),
            *("--hold-down-seconds", "7", "--exclude-interfaces", "^x"),
        ],
        {"NODE_NAME": "n7"},
    )
    assert (found.node, found.kubeconfig, found.key_file) == ("n1", "/k", Path("/keys"))
    assert found.excluded_interfaces == "^x"
    liveness = found.liveness
    assert (liveness.interval_seconds, liveness.multiplier) == (0.1, 5)
    assert (liveness.startup_seconds, liveness.hold_down_seconds) == (1.0, 7.0)


def test_what_holds_for_peers_that_do_not_say_it() -> None:
    assert read_settings([], {}).bgp == BgpSettings(0, 90, 10, 300, 300, 50, 3, None, 2.0, 5.0)
    found = read_settings(
        [
            *("--bgp-listen-port", "179", "--bgp-hold-seconds", "0", "--bgp-connect-seconds", "5"),
            *("--bfd-receive-milliseconds", "50", "--bfd-transmit-milliseconds", "60"),
            *("--bfd-multiplier", "4", "--bgp-drain-seconds", "0"),
            *("--bmp-collector", "[fd00::7]:1790", "--bgp-kube-proxy-wait-seconds", "0.5"),
        ],
        {},
    )
    assert found.bgp == BgpSettings(179, 0, 5, 50, 60, 50, 4, ("fd00::7", 1790), 0.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--heartbeat-milliseconds", "4"], "from 5 to 10000"),
        (["--heartbeat-milliseconds", "10001"], "from 5 to 10000"),
        (["--heartbeat-multiplier", "1"], "from 2 to 50"),
        (["--heartbeat-multiplier", "51"], "from 2 to 50"),
        (["--heartbeat-port", "x"], "invalid int value"),
        (["--exclude-interfaces", "("], "no regular expression"),
        (["--bgp-listen-port", "65536"], "--bgp-listen-port must be from 0 to 65535"),
        (["--bmp-collector", "collector"], "--bmp-collector must be a host and a port"),
        (["--bmp-collector", "collector:0"], "--bmp-collector must be a host and a port"),
        (["--bgp-hold-seconds", "2"], "--bgp-hold-seconds must be 0, or from 3 to 65535"),
        (["--bgp-connect-seconds", "0"], "from 1 to 65535"),
        (["--bgp-drain-seconds", "301"], "--bgp-drain-seconds must be from 0 to 300"),
        (["--bgp-kube-proxy-wait-seconds", "-1"], "must be from 0 to 300"),
        (["--bfd-receive-milliseconds", "9"], "from 10 to 60000"),
        (["--bfd-transmit-milliseconds", "60001"], "from 10 to 60000"),
        (["--bfd-multiplier", "1"], "--bfd-multiplier must be from 2 to 255"),
        (["--what"], "unrecognized arguments"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(arguments, {})
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_keys_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"a" * 16 + b"\n\n  " + b"b" * 32 + b"  \n")
    assert read_keys(path) == (b"a" * 16, b"b" * 32)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a" * 32 + b"\nshort\n", "has 5 bytes; at least 16"),
    ],
)
def test_keys_that_will_not_do_are_told(tmp_path: Path, data: bytes | None, text: str) -> None:
    path = tmp_path / "keys"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(KeyFileError, match=text):
        read_keys(path)
