"""Every example of the pages is taken: objects by both API servers, settings by the schema, values
by the real Helm.

The blocks of both languages are the same (`test_pages`), so the English ones stand for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from contract.api import Api
from metallb_lab import tools
from metallb_lab.operator.module import load_module
from metallb_lab.operator.settings import SettingsReader, read_module_config
from module.crds.definitions import DEFINED, path_of
from module.docs.pages import NAMES, ROOT, Document, english
from module.templates.rendering import containers, copy_chart, find, parse, pod_spec, render_text

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from contract.api import Server

OBJECTS = [(name, item) for name in NAMES for item in english(name).objects()]
KINDS = {"Service": "services", "Secret": "secrets"}
SHA = "sha256:"


def kind_of(item: Document) -> str:
    return str(item.get("kind", "values"))


def test_every_example_is_of_a_kind_that_is_tried() -> None:
    kinds = {kind_of(item) for _, item in OBJECTS}
    ours = {kind for kind, crd in DEFINED.items() if crd["spec"]["scope"] == "Cluster"}
    native = {"IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile"}
    assert kinds == {*KINDS, *ours - {"VirtualIP", "BGPSession"}, *native, "ModuleConfig", "values"}


@pytest.mark.real
@pytest.mark.usefixtures("defined")
@pytest.mark.parametrize("name", ["README", "EXAMPLES"])
async def test_objects_are_taken(server: Server, session: aiohttp.ClientSession, name: str) -> None:
    items = [item for page, item in OBJECTS if page == name]
    items = [item for item in items if kind_of(item) not in ("ModuleConfig", "values")]
    assert len(items) > 1
    somebody = Api(server, session, "")
    made = await somebody.post("/api/v1/namespaces", {"metadata": {"name": "d8-metallb"}})
    assert made.status in (201, 409)
    for item in items:
        where = Api(server, session, item["metadata"].get("namespace", ""))
        answer = await where.post(path(where, item), item, fieldValidation="Strict")
        assert not answer.warnings
        assert answer.ok(201)["metadata"]["name"] == item["metadata"]["name"]


def path(where: Api, item: Document) -> str:
    kind = kind_of(item)
    if kind in DEFINED:
        return path_of(where, kind)
    assert item["apiVersion"] == "v1"
    return f"/api/v1/namespaces/{where.namespace}/{KINDS[kind]}"


def test_settings_are_taken() -> None:
    reader = SettingsReader(load_module(ROOT), tools.cache_dir() / "gojq-is-not-needed")
    configs = [item for _, item in OBJECTS if kind_of(item) == "ModuleConfig"]
    assert len(configs) >= 4
    for item in configs:
        assert item["metadata"]["name"] == "metallb"
        assert item["spec"]["version"] == 3
        reader.read(read_module_config(item))


@pytest.mark.real
def test_values_for_plain_kubernetes_render(tmp_path: Path) -> None:
    [given] = [item for _, item in OBJECTS if kind_of(item) == "values"]
    rendered = parse(render_text(copy_chart(tmp_path / "chart"), given, tmp_path))
    images = {container["image"] for _, container in containers(rendered)}
    digests = {f"{SHA}{digit * 64}" for digit in "123"}
    assert {image.partition("@")[2] for image in images} == digests
    assert {image.partition("@")[0] for image in images} == {
        "registry.example.com/metallb/metallb",
        "registry.example.com/kube-rbac-proxy",
    }
    assert find(rendered, "Namespace", "d8-metallb")
    assert "Secret/metallb-webhook-tls" not in {
        f"{item['kind']}/{item['metadata']['name']}" for item in rendered
    }
    assert "affinity" not in pod_spec(find(rendered, "DaemonSet", "speaker"))
    groups = {item["apiVersion"].partition("/")[0] for item in rendered}
    assert not {group for group in groups if group.endswith(("deckhouse.io", "coreos.com"))}


def test_the_commands_of_the_page_make_what_the_values_need() -> None:
    text = "\n".join(block for language, block in english("EXAMPLES").blocks if language == "shell")
    assert "secret generic metallb-heartbeat-keys" in text
    assert "--from-literal=keys=" in text
    assert yaml.safe_load((ROOT / "Chart.yaml").read_text())["name"] == "metallb"
