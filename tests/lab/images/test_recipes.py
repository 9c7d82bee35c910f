"""What goes into an image's digest; and files that share steps share them word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from metallb_lab.images import NAMES, ImageError, base
from metallb_lab.images.recipes import ROOT, copied_files, make_recipe, recipe_of, snapshot
from setup import UV_VERSION

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = """\
FROM $BASE AS build
COPY one.txt two.txt ./
COPY deep deep
COPY --from=other /x /y
RUN true
"""
FILES = ("one.txt", "two.txt", "deep/a/three.txt", "deep/b.txt", "not.txt")
OWN = [ROOT / "images" / name / "Dockerfile" for name in ("controller", "speaker")]
HOOKS = ROOT / "lab/src/metallb_lab/images/hooks.Dockerfile"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    compiled = tmp_path / "deep" / "__pycache__"
    compiled.mkdir()
    (compiled / "b.pyc").write_text("compiled")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def digest(context: Path, **bases: str) -> str:
    return make_recipe("x", context / "Dockerfile", context, bases).inputs


def test_files_are_those_that_copy_takes(context: Path) -> None:
    found = [path.relative_to(context).as_posix() for path in copied_files(DOCKERFILE, context)]
    assert found == ["one.txt", "two.txt", "deep/a/three.txt", "deep/b.txt"]


def test_a_copy_of_nothing_is_an_error(context: Path) -> None:
    with pytest.raises(ImageError, match=r"COPY gone: there is no such file"):
        list(copied_files("COPY gone ./\n", context))


@pytest.mark.parametrize("name", [*FILES[:4], "Dockerfile"])
def test_a_changed_input_is_another_image(context: Path, name: str) -> None:
    before = digest(context)
    (context / name).write_text(DOCKERFILE + "# more\n" if name == "Dockerfile" else "more")
    assert digest(context) != before


def test_a_renamed_or_added_input_is_another_image(context: Path) -> None:
    found = [digest(context)]
    (context / "deep/b.txt").rename(context / "deep/c.txt")
    found.append(digest(context))
    (context / "deep/d.txt").touch()
    assert len({*found, digest(context)}) == 3


def test_another_base_is_another_image(context: Path) -> None:
    assert digest(context, BASE="one") != digest(context, BASE="two")


def test_what_is_not_copied_does_not_matter(context: Path) -> None:
    before = digest(context)
    (context / "not.txt").write_text("more")
    (context / "deep/__pycache__/b.pyc").write_text("more")
    assert digest(context) == before


def test_a_copy_of_the_inputs_is_the_same_image(context: Path, tmp_path: Path) -> None:
    recipe = make_recipe("x", context / "Dockerfile", context, {"BASE": "one"})
    copied = snapshot(recipe, tmp_path / "copy")
    assert copied.inputs == recipe.inputs
    (context / "one.txt").write_text("more")
    assert make_recipe("x", copied.dockerfile, copied.context, copied.arguments) == copied
    assert snapshot(recipe, tmp_path / "another").inputs != recipe.inputs


def test_what_debian_the_base_is_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base.tag()
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "more"))
    assert base.tag() != before


def test_an_unknown_image_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ImageError, match="no image 'router'; there are controller, speaker, hooks"):
        recipe_of("router")


def test_every_image_has_its_dockerfile() -> None:
    for name in NAMES:
        if name != "kube-rbac-proxy":  # its context is the program, which may not be built
            assert recipe_of(name).dockerfile.is_file()


# ---------------------------------------------------------------- steps that several files share


def shared(text: str) -> list[str]:
    """Steps up to the installation, without the name of what is installed."""
    steps = re.sub(r" \\\n +", " ", text)
    steps = re.sub(r"--package metallb\S*( --extra hooks)?", "--package NAME", steps)
    begin = steps.index("RUN python3 -m venv")
    return steps[begin : steps.index("COPY scripts")].splitlines()


def commands(lines: list[str]) -> list[str]:
    found = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
    return [part.strip() for line in found for part in line.split("&&")]


def test_dockerfiles_begin_alike() -> None:
    first, *others = (shared(path.read_text()) for path in (*OWN, HOOKS))
    assert len(first) == 7
    for other in others:
        assert other == first


def test_werf_makes_the_environment_of_the_hooks_as_the_lab_does() -> None:
    text = (ROOT / ".werf/hooks.yaml").read_text()
    steps = re.findall(r"^    - ((?:python3|/tools|cp|PATH).*)$", text, re.M)
    ours = re.sub(r" \\\n +", " ", HOOKS.read_text())
    assert steps == commands(ours.splitlines())


def test_uv_is_the_one_of_the_set_up() -> None:
    for path in (*OWN, HOOKS):
        assert f" uv=={UV_VERSION}\n" in path.read_text()


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parent.name)
def test_packages_are_locked_and_hashed(path: Path) -> None:
    text = path.read_text()
    assert "uv export --quiet --frozen" in text
    assert "--require-hashes" in text


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parent.name)
def test_what_is_copied_is_not_ignored(path: Path) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = tuple(rule.removeprefix("!") for rule in rules if rule.startswith("!"))
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.M):
        assert all(source.startswith(allowed) for source in sources.split())
