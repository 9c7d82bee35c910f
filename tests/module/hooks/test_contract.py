"""What holds for every hook: its configuration, its runs, where it finds its packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.operator.hook_files import hook_paths
from metallb_lab.operator.hook_runs import FailedRunError
from module.hooks.conftest import NAMES, ROOT

if TYPE_CHECKING:
    from metallb_lab.operator.hook_runs import Outputs
    from module.hooks.conftest import Run

pytestmark = pytest.mark.real
EXPECTED = [
    "adopt_addresses",
    "alert_on_services",
    "bgp_passwords",
    "bgp_references",
    "discovery",
    "heartbeat_keys",
    "hold_children",
    "migrate_bgp_settings",
    "migrate_layer2_pools",
    "node_membership",
    "release_children",
    "remove_dead_kind",
    "remove_node_labels",
    "remove_old_kind",
    "validate_configuration",
    "webhook_certificate",
]
ORDER = {
    "onStartup": ["remove_dead_kind"],
    "beforeHelm": [
        "migrate_layer2_pools",
        "webhook_certificate",
        "adopt_addresses",
        "migrate_bgp_settings",
        "hold_children",
        "node_membership",
        "discovery",
    ],
    "afterHelm": ["heartbeat_keys", "bgp_passwords", "remove_old_kind"],
    "afterDeleteHelm": ["remove_node_labels", "release_children"],
}
HOSTILE: list[dict[str, Any]] = [
    {"metadata": {"name": "bare"}},
    {"metadata": {"name": "empty"}, "spec": {}, "status": {}, "data": {}},
    {"metadata": {"name": "null", "labels": None}, "spec": None, "status": None, "data": None},
    {
        "metadata": {"name": "odd", "labels": {"a": ""}, "annotations": {"b": "c"}},
        "spec": {
            "nodeSelector": {},
            "type": "LoadBalancer",
            "addresses": [],
            "peerNames": None,
            "settings": {"addressPools": "text", "bgpPeers": [7, {}], "speaker": []},
            "version": 1,
        },
        "status": {"conditions": [], "loadBalancer": {}},
        "data": {"keys": "!", "ca.crt": "", "password": ""},
    },
]
every = pytest.mark.parametrize("hook", NAMES, indirect=True)


def _moments(run: Run) -> list[str]:
    config = run.hook.config
    group = ["Group"] if config.kubernetes else []
    return [*config.moments, *group]


def _is_empty(outputs: Outputs) -> bool:
    series = [item for item in outputs.metrics if item["action"] != "expire"]
    return not outputs.kubernetes and not series


def test_no_hook_is_forgotten_here() -> None:
    assert sorted(NAMES) == EXPECTED


@every
async def test_hooks_of_a_moment_run_in_this_order(hook: Run) -> None:
    name = hook.hook.path.stem
    for moment, names in ORDER.items():
        assert (name in names) == (moment in hook.hook.config.moments)
    assert set(hook.hook.config.moments) <= set(ORDER)


async def test_the_order_is_that_of_the_numbers(interpreter: Any) -> None:
    from metallb_lab.operator.hook_files import register

    hooks = [await register(path, ROOT, interpreter) for path in hook_paths(ROOT)]
    for moment, names in ORDER.items():
        bound = [item for item in hooks if moment in item.config.moments]
        bound.sort(key=lambda item: (item.config.moments[moment], item.name))
        assert [item.path.stem for item in bound] == names


@every
async def test_no_run_can_be_blind(hook: Run) -> None:
    """One group for all, schedules too; without the snapshots a run fails and decides nothing."""
    config = hook.hook.config
    for binding in config.kubernetes:
        assert (binding.group, binding.keeps_objects) == ("snapshots", False)
        assert binding.jq, "objects are trimmed"
    assert all(item.group == "snapshots" for item in config.schedules)
    if config.kubernetes:
        with pytest.raises(FailedRunError, match="BlindRunError: no snapshots of"):
            await hook([{"binding": "schedule", "type": "Schedule"}])


@every
async def test_an_empty_cluster_needs_nothing(hook: Run) -> None:
    makes = {"remove_dead_kind"}
    for moment in _moments(hook):
        outputs = await hook.on(moment)
        if hook.hook.path.stem not in makes:
            assert _is_empty(outputs), moment
        assert outputs.config_values_patch == []


@every
async def test_a_second_run_decides_the_same(hook: Run) -> None:
    """Whatever is made by chance is made once: the values of the first run are kept."""
    objects = {item.name.replace("-", "_"): list(HOSTILE) for item in hook.hook.config.kubernetes}
    moment = _moments(hook)[0]
    first = await hook.on(moment, **objects)
    for patch in first.values_patch:
        assert patch["op"] == "add"
        *parents, last = patch["path"].split("/")[2:]
        place = hook.values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = patch["value"]
    second = await hook.on(moment, **objects)
    assert second.values_patch == []
    assert second.metrics == first.metrics
    if hook.hook.path.stem != "heartbeat_keys":
        assert [item["operation"] for item in second.kubernetes] == [
            item["operation"] for item in first.kubernetes
        ]


@every
async def test_odd_objects_stop_no_hook(hook: Run) -> None:
    objects = {item.name.replace("-", "_"): list(HOSTILE) for item in hook.hook.config.kubernetes}
    for moment in _moments(hook):
        await hook.on(moment, **objects)


@every
async def test_a_batch_is_one_run(hook: Run) -> None:
    contexts = [await hook.context(moment) for moment in _moments(hook) * 2]
    outputs = await hook(contexts)
    groups = [item["group"] for item in outputs.metrics if item["action"] == "expire"]
    assert len(groups) == len(set(groups))


def test_hooks_are_executable_python_with_a_first_line() -> None:
    for path in hook_paths(ROOT):
        text = path.read_text()
        assert path.suffix == ".py"
        assert text.startswith("#!/usr/bin/env python3\n")
        assert '"lib" / "python" / "dist"' in text


def _packages(directory: Path) -> None:
    """Put what hooks import into `lib/python/dist`, as the build does with `pip install -t`."""
    directory.mkdir(parents=True)
    (directory / "metallb").symlink_to(ROOT / "lib/python/src/metallb")
    [site] = [Path(item) for item in sys.path if item.endswith("site-packages")][:1]
    for name in ("deckhouse", "dictdiffer"):
        (directory / name).symlink_to(site / name)


def test_packages_are_found_beside_the_module(tmp_path: Path) -> None:
    """An interpreter that knows nothing of them, in a directory that says nothing of them."""
    module = tmp_path / "module"
    _packages(module / "lib/python/dist")
    (module / "hooks").mkdir()
    python = Path(sys.base_prefix) / "bin"
    environment = {"PATH": f"{python}:{os.environ['PATH']}"}
    for is_there in (True, False):
        if not is_there:
            (module / "lib/python/dist").rename(module / "lib/python/away")
        path = module / "hooks" / "discovery.py"
        path.write_text((ROOT / "hooks/discovery.py").read_text())
        path.chmod(0o755)
        done = subprocess.run(
            [path, "--config"],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is is_there, done.stderr
