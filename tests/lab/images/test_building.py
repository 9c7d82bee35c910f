"""An image is built once; with buildah's part played by a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metallb_lab.images import building
from metallb_lab.images.recipes import make_recipe
from metallb_lab.images.store import directory_of

if TYPE_CHECKING:
    from pathlib import Path

    from metallb_lab.images.recipes import Recipe

NAME = "controller"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Recipes that were carried out; the context is one file."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("one")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    recipes: list[Recipe] = []

    def make(recipe: Recipe, place: Path, *_: Any) -> None:
        assert (recipe.context / "file").exists()
        assert recipe.context.is_relative_to(place)
        recipes.append(recipe)
        directory_of(recipe).mkdir(parents=True)

    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        building, "recipe_of", lambda name: make_recipe(name, tmp_path / "Dockerfile", context, {})
    )
    monkeypatch.setattr(building, "make", make)
    monkeypatch.setattr(building, "read_image", lambda name, directory: str(directory))
    return recipes


def test_a_second_time_nothing_is_built(made: list[Recipe]) -> None:
    found = [building.ensure(NAME), building.ensure(NAME)]
    assert len(made) == 1
    assert [str(image) for image in found] == 2 * [str(directory_of(made[0]))]


def test_a_changed_tree_is_built(made: list[Recipe], tmp_path: Path) -> None:
    building.ensure(NAME)
    (tmp_path / "context" / "file").write_text("two")
    building.ensure(NAME)
    assert len({recipe.inputs for recipe in made}) == 2


def test_what_a_killed_build_left_is_removed(made: list[Recipe], tmp_path: Path) -> None:
    left = tmp_path / "cache" / "images" / "building.abc"
    (left / "oci").mkdir(parents=True)
    building.ensure(NAME)
    assert not left.exists()
    assert not list(left.parent.glob("building.*/"))


def test_a_base_is_the_argument_of_the_build(tmp_path: Path) -> None:
    recipe = make_recipe(NAME, *dockerfile(tmp_path), {"BASE_PYTHON": "localhost/base:1"})
    command = building.build_command(recipe, "tag")
    assert recipe.needs_base
    assert "--build-arg=BASE_PYTHON=localhost/base:1" in command
    assert command[-1] == recipe.context
    assert "--pull-never" in command, "nothing comes from a registry"


def dockerfile(directory: Path) -> tuple[Path, Path]:
    path = directory / "Dockerfile"
    path.write_text("FROM scratch\n")
    return path, directory
