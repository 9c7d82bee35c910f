"""What documents say about the tree is so: links lead somewhere, named files, tests, modules and
commands exist.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from meta.tree import ROOT, SOURCES, files, name_of

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = list(files("*.md"))
INTERNAL = ROOT / "docs/internal"
FOR_DEVELOPERS = [item for item in DOCUMENTS if item.parent in (ROOT, INTERNAL, INTERNAL / "adr")]
"""Elsewhere `metallb.io` is a group of the API and `metallb.internal` a key of the values."""

ADRS = sorted((ROOT / "docs/internal/adr").glob("*.md"))

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"^(?:lib|images|lab|tests|scripts|docs|crds|hooks|templates|\.ci)/[\w./-]+$")
TEST = re.compile(r"^(tests/[\w/]+\.py)::(\w+)$")
MODULE = re.compile(r"^metallb(?:_controller|_speaker|_lab)?(?:\.\w+)+$")
COMMAND = re.compile(r"\bmake ([a-z]+)\b")


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text())


def code_words(document: Path) -> list[str]:
    return CODE.findall(prose(document))


def slug(heading: str) -> str:
    """The anchor that forges make of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(document: Path) -> set[str]:
    return {slug(item) for item in re.findall(r"^#+ (.+)$", prose(document), re.M)}


def page(target: Path) -> Path:
    """The file that a link means; Deckhouse's site makes `faq.html` of `FAQ.md`."""
    if target.suffix == ".html":
        return target.with_name(f"{target.stem.upper()}.md")
    return target.resolve()


def ids(document: Path) -> str:
    return name_of(document)


def test_there_are_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {name_of(item) for item in DOCUMENTS}
    named = {item.name for item in (ROOT / "docs/internal").glob("*.md")}
    assert {"ARCHITECTURE.md", "GLOSSARY.md", "RFC.md"} <= named


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_links_lead_somewhere(document: Path) -> None:
    wrong = []
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        if document.parent == ROOT / "docs" and file.endswith(".html"):
            file = f"{file.removesuffix('.html').upper()}.md"  # what the platform's site calls it
        path = page(document.parent / file) if file else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(target)
    assert not wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_named_files_tests_and_modules_exist(document: Path) -> None:
    words = code_words(document)
    wrong = [word for word in words if FILE.match(word) and not (ROOT / word).exists()]
    wrong += [word for word in words if TEST.match(word) and not is_test(word)]
    if document in FOR_DEVELOPERS:
        wrong += [word for word in words if MODULE.match(word) and not module_exists(word)]
    assert not wrong


def is_test(word: str) -> bool:
    """Tell whether `FILE::FUNCTION` is there."""
    found = TEST.match(word)
    assert found is not None
    path = ROOT / found[1]
    return (
        path.is_file()
        and re.search(rf"^\s*(async )?def {found[2]}\(", path.read_text(), re.M) is not None
    )


def module_exists(word: str) -> bool:
    """Tell whether a dotted name is a module, or is written in the module that it begins with."""
    top, *rest = word.split(".")
    path = SOURCES[top]
    while rest and (path / rest[0]).is_dir():
        path /= rest.pop(0)
    if rest and (path / f"{rest[0]}.py").is_file():
        path /= f"{rest.pop(0)}.py"
    text = path.read_text() if path.is_file() else (path / "__init__.py").read_text()
    return all(re.search(rf"\b{name}\b", text) for name in rest)


def test_a_module_that_is_not_there_is_seen() -> None:
    assert module_exists("metallb.net.ranges.RangeSet")
    assert not module_exists("metallb.net.ranges.Nothing")
    assert not module_exists("metallb.nothing")


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_named_commands_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    code = chain(CODE.findall(document.read_text()), FENCE.findall(document.read_text()))
    named = set(chain.from_iterable(COMMAND.findall(text) for text in code))
    assert named <= targets


def test_the_readme_names_the_commands_that_matter() -> None:
    text = (ROOT / "README.md").read_text()
    assert {"demo", "test", "bench", "check"} <= set(COMMAND.findall(text))
    assert ".ci/run" in text


# ---------------------------------------------------------------- decisions


@pytest.mark.parametrize("adr", ADRS, ids=ids)
def test_a_decision_says_why_what_and_what_follows(adr: Path) -> None:
    text = adr.read_text()
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", adr.name)
    assert text.startswith(f"# {adr.name[:4]}. ")
    assert {"context", "decision", "consequences"} <= anchors(adr)


def test_numbers_of_decisions_are_unique() -> None:
    numbers = [adr.name[:4] for adr in ADRS]
    assert len(numbers) == len(set(numbers))


# ---------------------------------------------------------------- what must not be there


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_no_document_is_unfinished(document: Path) -> None:
    assert not re.search(r"\b(TODO|FIXME|TBD|XXX|lorem ipsum)\b", prose(document))
