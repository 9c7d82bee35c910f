"""The pages keep to the platform's rules, and say the same in both languages."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from module.docs.pages import DOCS, NAMES, PAGES, Page, english, russian

CYRILLIC = re.compile("[а-яёА-ЯЁ]")
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
SITE_PAGES = {f"{name.lower()}.html" for name in NAMES} | {"./"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
every_name = pytest.mark.parametrize("name", NAMES)


def test_the_pages_are_those_that_the_site_shows() -> None:
    assert {page.path for page in PAGES} == set(DOCS.glob("*.md"))


@every_page
def test_front_matter(page: Page) -> None:
    assert set(page.front) == {"title", "menuTitle", "description"}
    assert ("одуль" if page.is_russian else "module") in page.front["title"]
    assert 20 <= len(page.front["description"]) <= 150


@every_page
def test_language(page: Page) -> None:
    if not page.is_russian:
        assert not CYRILLIC.search(page.text)
        return
    prose = re.sub(r"`[^`]*`|<!--.*?-->", "", page.prose)
    lines = [line for line in prose.splitlines() if re.search("[a-z]{3}", line)]
    assert lines
    tables = ("|", "#")
    left = [line for line in lines if not CYRILLIC.search(line) and not line.startswith(tables)]
    assert not left


@every_name
def test_both_languages_have_the_same_sections(name: str) -> None:
    levels = [[level for level, _ in page.headings] for page in (english(name), russian(name))]
    assert levels[0] == levels[1]
    assert levels[0]


@every_name
def test_both_languages_have_the_same_shape(name: str) -> None:
    assert english(name).shape == russian(name).shape


@every_name
def test_both_languages_have_the_same_examples(name: str) -> None:
    assert english(name).blocks == russian(name).blocks


@every_name
def test_both_languages_name_the_same_things(name: str) -> None:
    assert Counter(english(name).words) == Counter(russian(name).words)


@every_name
def test_nothing_is_left_untranslated(name: str) -> None:
    sentences = {line for line in english(name).prose.splitlines() if line.count(" ") > 5}
    same = {line for line in russian(name).prose.splitlines() if line in sentences}
    assert not {line for line in same if not re.fullmatch(r"[|\s-]*", line)}


@every_page
def test_links_are_relative_and_lead_to_pages(page: Page) -> None:
    for is_image, target in LINK.findall(page.prose):
        if is_image:
            assert (DOCS / target).is_file(), target
            assert ".ru." in target or not page.is_russian, target
        else:
            assert target in SITE_PAGES, target


@every_page
def test_lines_are_not_too_long(page: Page) -> None:
    assert max(map(len, page.prose.splitlines())) <= 1000
    assert max(len(text) for _, text in page.headings) <= 128
    assert (
        max((len(line) for _, text in page.blocks for line in text.splitlines()), default=0) <= 400
    )


@every_page
def test_headings_descend_by_one_and_differ_among_siblings(page: Page) -> None:
    assert page.headings[0][0] == 2
    assert all(below - above <= 1 for (above, _), (below, _) in pairwise(page.headings))
    seen: set[tuple[str, ...]] = set()
    path: list[str] = []
    for level, text in page.headings:
        path = [*path[: level - 2], text]
        assert tuple(path) not in seen, text
        seen.add(tuple(path))


@every_page
def test_every_block_names_its_language(page: Page) -> None:
    assert {language for language, _ in page.blocks} <= {"yaml", "shell"}
    assert page.body.count("```") == 2 * len(page.blocks)


@pytest.mark.parametrize("name", ["CONFIGURATION", "CR"])
def test_the_site_puts_the_schema_at_the_end(name: str) -> None:
    for page in (english(name), russian(name)):
        assert page.body.rstrip().endswith("<!-- SCHEMA -->")


def test_a_page_is_taken_apart() -> None:
    page = english("README")
    kinds = [item["kind"] for item in page.objects()]
    assert kinds == ["ModuleConfig", "MetalLoadBalancerClass", "Service"]
    assert ("shell", "kubectl get service nginx\nkubectl get virtualips\n") in page.blocks
    assert {"##", "###", "-", "1.", "|", "| ---", "text"} == set(page.shape)
