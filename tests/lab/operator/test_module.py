from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.operator.errors import ModuleError
from metallb_lab.operator.module import camel, load_module

if TYPE_CHECKING:
    from lab.operator.modules import ModuleTree


def test_a_module_is_its_directory(tree: ModuleTree) -> None:
    module = load_module(tree.path)
    assert (module.name, module.namespace, module.key) == (
        "hello-world",
        "d8-hello-world",
        "helloWorld",
    )
    tree.write("module.yaml", {"name": "hello-world", "namespace": "other"})
    assert load_module(tree.path).namespace == "other"


@pytest.mark.parametrize(
    "definition",
    [
        "just text",
        {"name": "hello-world", "colour": "red"},
        {"name": "Hello"},
        {"name": "hello_world"},
        {"name": "1st"},
        {"name": "x" * 65},
        {"namespace": "d8-x"},
    ],
)
def test_what_is_no_definition_is_refused(tree: ModuleTree, definition: Any) -> None:
    tree.write("module.yaml", definition)
    with pytest.raises(ModuleError, match=r"module\.yaml"):
        load_module(tree.path)


def test_a_directory_without_a_definition_is_no_module(tree: ModuleTree) -> None:
    (tree.path / "module.yaml").unlink()
    with pytest.raises(ModuleError, match="no module"):
        load_module(tree.path)


def test_digests_come_from_the_build_or_are_made_up(tree: ModuleTree) -> None:
    tree.write("images/my-tool/Dockerfile", "FROM scratch\n")
    tree.write("images/README.md", "no image\n")
    [(name, digest)] = load_module(tree.path).digests().items()
    assert name == "myTool"
    assert digest.startswith("sha256:")
    built = {"myTool": f"sha256:{'1' * 64}"}
    tree.write("images_digests.json", json.dumps(built))
    assert load_module(tree.path).digests() == built


def test_crds_are_found_below_and_their_documentation_is_not(tree: ModuleTree) -> None:
    for name in ("crds/b.yaml", "crds/native/a.yaml", "crds/doc-ru-b.yaml", "crds/_c.yaml"):
        tree.write(name, {"metadata": {"name": name}})
    tree.write("crds/two.yaml", "metadata: {name: x}\n---\nmetadata: {name: y}\n---\n")
    names = [item["metadata"]["name"] for item in load_module(tree.path).crds()]
    assert names == ["crds/b.yaml", "crds/native/a.yaml", "x", "y"]


def test_a_module_without_crds_or_images_has_none(tree: ModuleTree) -> None:
    module = load_module(tree.path)
    assert (module.crds(), module.digests()) == ([], {})


def test_keys_of_values() -> None:
    assert [camel(name) for name in ("metallb", "my-lb", "a-b-c")] == ["metallb", "myLb", "aBC"]
