"""One browser for all tests of this directory, and the page in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from module.form.form import Browser, bundle, page, schema_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of the page in each language."""
    made = tmp_path_factory.mktemp("form")
    bundle(made)
    return {
        language: page(made, language, schema_in(language)).as_uri() for language in ("en", "ru")
    }


@pytest.fixture(scope="session")
def browser(pages: dict[str, str]) -> Iterator[Browser]:
    with Browser() as opened:
        yield opened
