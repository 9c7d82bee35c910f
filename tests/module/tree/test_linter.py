"""Rules of dmt, the linter of Deckhouse modules, over the tree: one test a rule.

What a rule finds must be exactly what `.dmtlint.yaml` leaves out, so that no exclusion outlives its
reason. Rules about rendered objects are with the templates, those about CRDs and settings beside
them.
"""

from __future__ import annotations

import re
from pathlib import PurePath

import yaml

from module.tree.tree import ROOT, excluded, files, load

CYRILLIC = re.compile("[а-яёА-ЯЁ]")
SOURCE = {".go", ".sh", ".bash", ".lua", ".py"}
HEADERS = ("Flant JSC",)
FREE_OF_HEADERS = ("lib/python/", "charts/helm_lib/", "docs/")
DOCUMENTS = sorted(path for path in (ROOT / "docs").glob("*.md"))
ENGLISH = [path for path in DOCUMENTS if not path.name.endswith(".ru.md")]
LIMIT_DOCUMENTS_BYTES = 15 * 2**20


def has_shebang(name: str) -> bool:
    return "." not in PurePath(name).name and (ROOT / name).read_bytes()[:2] == b"#!"


def test_module_license() -> None:
    sources = [
        name
        for name in files()
        if (PurePath(name).suffix in SOURCE or has_shebang(name))
        and not name.startswith(FREE_OF_HEADERS)
    ]
    found = {
        name.partition("/")[0]
        for name in sources
        if not any(header in (ROOT / name).read_text()[:1000] for header in HEADERS)
    }
    assert found == set(excluded("module", "license")["directories"])


def test_openapi_enum() -> None:
    found = []

    def walk(schema: dict[str, object], path: str) -> None:
        words = schema.get("enum") or ()
        assert isinstance(words, (list, tuple))
        if not all(re.fullmatch("[A-Z][A-Za-z0-9]*", str(word)) for word in words):
            found.append(path)
        for name, below in schema.items():
            if isinstance(below, dict) and not name.startswith("x-"):
                walk(below, f"{path}.{name}" if path else name)

    walk(load("openapi/config-values.yaml"), "")
    walk(load("openapi/values.yaml"), "")
    assert found == excluded("openapi", "enum")


def test_openapi_bilingual() -> None:
    for path in (ROOT / "crds").glob("*.yaml"):
        name = path.name
        assert name.startswith("doc-ru-") or path.with_name(f"doc-ru-{name}").exists(), name
    assert (ROOT / "openapi" / "doc-ru-config-values.yaml").exists()


def test_openapi_twins_are_mappings() -> None:
    for name in files():
        if PurePath(name).name.startswith("doc-ru-"):
            assert isinstance(yaml.safe_load((ROOT / name).read_text()), dict), name


def test_no_cyrillic_in_english_files() -> None:
    for name in files():
        path = PurePath(name)
        is_russian = (
            path.name.startswith(("doc-ru-", "ru."))
            or ".ru." in path.name
            or "i18n" in path.parts
            or name == "module.yaml"
            or name.startswith("openapi/conversions/")
        )
        if path.suffix in {".yaml", ".yml", ".json", ".go"} and not is_russian:
            assert not CYRILLIC.search((ROOT / name).read_text()), name


def test_module_conversions_are_described() -> None:
    for path in (ROOT / "openapi" / "conversions").glob("v*.yaml"):
        description = yaml.safe_load(path.read_text())["description"]
        assert CYRILLIC.search(description["ru"]), path
        assert not CYRILLIC.search(description["en"]), path


def test_images_folders_are_named_without_underscore() -> None:
    for path in (ROOT / "images").iterdir():
        assert re.fullmatch("[a-z][a-zA-Z0-9-]*", path.name), path


def test_documentation_readme() -> None:
    for name in ("README.md", "README.ru.md"):
        assert (ROOT / "docs" / name).stat().st_size > 0, name


def test_documentation_bilingual() -> None:
    russian = {path.name for path in DOCUMENTS} - {path.name for path in ENGLISH}
    assert {path.name.replace(".md", ".ru.md") for path in ENGLISH} == russian


def test_documentation_cyrillic_in_english() -> None:
    for path in ENGLISH:
        assert not CYRILLIC.search(path.read_text()), path


def test_documentation_front_matter_and_no_lang_key() -> None:
    for path in DOCUMENTS:
        _, head, _ = path.read_text().split("---\n", 2)
        front = yaml.safe_load(head)
        assert "lang" not in front, path
        assert front["title"], path
        assert len(front.get("description", "")) <= 150, path


def test_documentation_size() -> None:
    sizes = [(ROOT / name).stat().st_size for name in files() if name.startswith("docs/")]
    assert sum(sizes) <= LIMIT_DOCUMENTS_BYTES


def test_no_image_is_named_latest() -> None:
    for name in files():
        is_ours = name.partition("/")[0] in {"templates", "images", "werf.yaml", ".werf"}
        if is_ours:
            assert ":latest" not in (ROOT / name).read_text(), name
