"""The build by werf, rendered by helm: its templates have all that werf's have here, but `env`."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab import tools
from module.tree.tree import ROOT, load
from setup import UV_VERSION

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

ENVIRONMENT = {
    "BASE_PYTHON": "base.example/python@sha256:" + 64 * "0",
    "BASE_DISTROLESS": "base.example/distroless@sha256:" + 64 * "1",
}
BUNDLE = {
    ".helmignore", "docs", "charts", "crds", "hooks", "monitoring", "openapi", "templates",
    "Chart.yaml", "module.yaml",
}  # fmt: skip
MADE = {"/images_digests.json", "/version.json", "/hooks/venv"}
ENV = re.compile(r'env "(\w+)"( "[^"]*")?')

Document = dict[str, Any]


def without_env(text: str, environment: dict[str, str]) -> str:
    """The text with werf's `env` carried out."""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        return f'"{environment[name]}"' if name in environment else default.strip()

    return ENV.sub(value, text)


def render(directory: Path, **more: str) -> dict[str, Document]:
    """The images that werf would build, by name."""
    (directory / "templates").mkdir()
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: werf\nversion: 0.0.1\n")
    environment = ENVIRONMENT | more
    text = without_env((ROOT / "werf.yaml").read_text(), environment)
    (directory / "templates" / "werf.yaml").write_text(text)
    shutil.copytree(ROOT / ".werf", directory / ".werf")
    for path in (directory / ".werf").iterdir():
        path.write_text(without_env(path.read_text(), environment))
    helm = str(tools.find("helm"))
    done = subprocess.run(
        [helm, "template", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *images = yaml.safe_load_all(done.stdout)
    assert first == {"project": "metallb", "configVersion": 1}
    assert all(images), "an empty document"
    return {image["image"]: image for image in images}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    return render(tmp_path_factory.mktemp("werf"))


def test_each_folder_is_an_image_and_each_image_has_a_folder(images: dict[str, Document]) -> None:
    folders = {path.name for path in (ROOT / "images").iterdir() if path.is_dir()}
    assert {name for name in images if name.startswith("metallb/")} == {
        f"metallb/{folder}" for folder in folders
    }
    for folder in folders:
        image = images[f"metallb/{folder}"]
        assert image["dockerfile"] == f"images/{folder}/Dockerfile"
        assert (ROOT / image["dockerfile"]).is_file()


def test_no_image_has_an_underscore_an_artifact_or_a_user(images: dict[str, Document]) -> None:
    for name, image in images.items():
        assert "_" not in name
        assert "artifact" not in image
        assert "user" not in image.get("imageSpec", {}).get("config", {})


def test_what_is_published_begins_with_a_base_image(images: dict[str, Document]) -> None:
    for name, image in images.items():
        if image.get("final", True) and "dockerfile" not in image:
            assert image["fromImage"].startswith(("base/", "common/")), name
    for name, image in images.items():
        is_base = name.startswith("base/")
        assert is_base == ("from" in image), name
        if is_base:
            assert image["final"] is False
            assert re.fullmatch(r"scratch|\S+@sha256:[0-9a-f]{64}", image["from"])


def test_every_image_that_another_needs_is_there(images: dict[str, Document]) -> None:
    for image in images.values():
        needed = [image["fromImage"]] if "fromImage" in image else []
        needed += [
            item["image"] for item in [*image.get("import", ()), *image.get("dependencies", ())]
        ]
        assert set(needed) <= images.keys()


def test_dockerfiles_get_the_bases_that_they_ask_for(images: dict[str, Document]) -> None:
    for name, image in images.items():
        if "dockerfile" not in image:
            continue
        text = (ROOT / image["dockerfile"]).read_text()
        given = {
            item["targetBuildArg"] for need in image["dependencies"] for item in need["imports"]
        }
        asked = set(re.findall(r"^ARG (BASE_\w+)\s*$", text, re.M))
        assert asked == given, name


def test_dockerfiles_end_on_an_allowed_base() -> None:
    for path in (ROOT / "images").glob("*/Dockerfile"):
        bases = re.findall(r"^FROM (?:--\S+ )?(\S+)", path.read_text(), re.M)
        assert bases[-1].strip("${}") in {"scratch", "BASE_DISTROLESS", "BASE_ALT"}, path
        for base in bases[:-1]:
            assert base.startswith(("$BASE_", "${BASE_")) or "@sha256:" in base, path


def test_digests_have_the_key_that_the_templates_use(images: dict[str, Document]) -> None:
    (script,) = images["images-digests"]["shell"]["setup"]
    digests = yaml.safe_load(script.partition("<< END\n")[2].partition("\nEND")[0])
    names = {
        item["targetEnv"]
        for need in images["images-digests"]["dependencies"]
        for item in need["imports"]
    }
    assert digests == {"controller": "${DIGEST_controller}", "speaker": "${DIGEST_speaker}"}
    assert {f"${{{name}}}" for name in names} == set(digests.values())


def test_the_bundle_holds_what_the_platform_takes_and_nothing_else(
    images: dict[str, Document],
) -> None:
    bundle = images["bundle"]
    (git,) = bundle["git"]
    assert set(git["includePaths"]) == BUNDLE
    assert git["excludePaths"] == ["docs/internal"]
    assert {item["to"] for item in bundle["import"]} == MADE
    assert (ROOT / "docs" / "internal").is_dir()


def test_the_environment_of_the_hooks_is_the_locked_one(images: dict[str, Document]) -> None:
    steps = "\n".join(images["hooks-venv"]["shell"]["install"])
    assert f"uv=={UV_VERSION}\n" in steps
    assert "--package metallb --extra hooks" in steps
    assert "--frozen" in steps
    assert "--require-hashes" in steps


def test_a_release_has_version_metadata_and_notes(tmp_path: Path) -> None:
    images = render(tmp_path, MODULE_VERSION="v0.1.0")
    (step,) = images["version"]["shell"]["setup"]
    assert """{"version":"v0.1.0"}""" in step
    release = images["release-channel-version"]
    added = {item["to"]: item["add"] for item in release["git"]}
    assert added == {"/module.yaml": "/module.yaml", "/changelog.yaml": "/CHANGELOG/v0.1.0.yml"}
    assert (ROOT / "CHANGELOG" / "v0.1.0.yml").is_file()
    assert [item["to"] for item in release["import"]] == ["/version.json"]


def test_nothing_from_outside_is_used_but_what_giterminism_allows() -> None:
    allowed = load("werf-giterminism.yaml")["config"]["goTemplateRendering"]["allowEnvVariables"]
    used = [
        name
        for path in [ROOT / "werf.yaml", *(ROOT / ".werf").iterdir()]
        for name, _ in ENV.findall(path.read_text())
    ]
    assert set(used) == set(allowed)


def test_every_part_is_included() -> None:
    text = (ROOT / "werf.yaml").read_text()
    for path in (ROOT / ".werf").iterdir():
        assert f'"{path.stem}"' in text, path
