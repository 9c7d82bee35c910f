"""The pages of the module's documentation, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
NAMES = ("README", "CONFIGURATION", "CR", "EXAMPLES", "FAQ", "MIGRATION")

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```\n", re.M | re.S)
_CODE = re.compile(r"`([^`\n]+)`")
_BEGINNING = re.compile(r"^ *(#+(?= )|-(?= )|1\.(?= )|\|(?: ---)?)")
_HEADING = re.compile(r"^(#+) (.+)$", re.M)

Document = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page in one language."""

    path: Path

    @property
    def is_russian(self) -> bool:
        return self.path.name.endswith(".ru.md")

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def front(self) -> Document:
        found: Document = yaml.safe_load(self.text.split("---\n", 2)[1])
        return found

    @cached_property
    def body(self) -> str:
        return self.text.split("---\n", 2)[2]

    @cached_property
    def prose(self) -> str:
        """The body without its blocks of code."""
        return _FENCE.sub("", self.body)

    @cached_property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and text of each block of code."""
        return [
            (language, re.sub(rf"^{indent}", "", text, flags=re.M))
            for indent, language, text in _FENCE.findall(self.body)
        ]

    @cached_property
    def headings(self) -> list[tuple[int, str]]:
        return [(len(marks), text) for marks, text in _HEADING.findall(self.prose)]

    @cached_property
    def words(self) -> list[str]:
        """What is written as code within the prose; what stands for a name is left out."""
        return [re.sub("<.*?>", "<>", word) for word in _CODE.findall(self.prose)]

    @cached_property
    def shape(self) -> list[str]:
        """How each line of the prose begins: headings, items, rows; or `text`."""
        lines = [line for line in self.prose.splitlines() if line.strip()]
        found = [_BEGINNING.match(line) for line in lines]
        return ["text" if match is None else match[1] for match in found]

    def objects(self) -> list[Document]:
        """Every object of the examples."""
        return [
            document
            for language, text in self.blocks
            if language == "yaml"
            for document in yaml.safe_load_all(text)
        ]


def english(name: str) -> Page:
    return Page(DOCS / f"{name}.md")


def russian(name: str) -> Page:
    return Page(DOCS / f"{name}.ru.md")


PAGES = [*map(english, NAMES), *map(russian, NAMES)]
