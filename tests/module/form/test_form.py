"""The form that is made of the settings' schema can be filled in, and gives a ModuleConfig.

FORM_SCREENSHOTS=1 writes the screenshots of the documentation anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metallb_lab import tools
from metallb_lab.operator.module import load_module
from metallb_lab.operator.settings import SettingsReader, read_module_config
from module.form.form import HERE, schema_in

if TYPE_CHECKING:
    from pathlib import Path

    from module.form.form import Browser

ROOT = HERE.parents[2]
IMAGES = {
    "en": ROOT / "docs/images/settings-form.png",
    "ru": ROOT / "docs/images/settings-form.ru.png",
}
SUBMIT = "button[type=submit]"
RESULT = "#module-config"
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(700)]
both_languages = pytest.mark.parametrize("language", ["en", "ru"])


def module_config(browser: Browser) -> dict[str, Any]:
    """Press the button and read what the form gives."""
    browser("press", at=SUBMIT)
    browser("appears", at=RESULT)
    [text] = browser("text", at=RESULT)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@both_languages
def test_an_untouched_form_says_nothing(
    browser: Browser, pages: dict[str, str], language: str
) -> None:
    browser("open", url=pages[language])
    assert module_config(browser) == {
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleConfig",
        "metadata": {"name": "metallb"},
        "spec": {"enabled": True, "version": 3},
    }
    assert browser("faults") == []


@both_languages
def test_a_filled_form_gives_settings_that_the_module_takes(
    browser: Browser, pages: dict[str, str], language: str
) -> None:
    browser("open", url=pages[language])
    browser("choose", at="#root_logLevel", value="Debug")
    browser("choose", at="#root_highAvailability", value={"en": "Yes", "ru": "Да"}[language])
    browser("fill", at="#root_l2_livenessIntervalMilliseconds", value="100")
    browser("fill", at="#root_l2_livenessMultiplier", value="10")
    browser("choose", at="#root_l2_rebalancing_policy", value="Never")
    browser("press", at="#root_speaker_tolerations__add")
    browser("fill", at="#root_speaker_tolerations_0_key", value="dedicated.example.com")
    browser("choose", at="#root_speaker_tolerations_0_operator", value="Exists")
    found = module_config(browser)
    assert found["spec"]["settings"] == {
        "highAvailability": True,
        "logLevel": "Debug",
        "l2": {
            "livenessIntervalMilliseconds": 100,
            "livenessMultiplier": 10,
            "rebalancing": {"policy": "Never"},
        },
        "speaker": {"tolerations": [{"key": "dedicated.example.com", "operator": "Exists"}]},
    }
    reader = SettingsReader(load_module(ROOT), tools.cache_dir() / "gojq-is-not-needed")
    reader.read(read_module_config(found))


@pytest.mark.parametrize(
    ("language", "field", "value", "words"),
    [
        ("en", "l2_livenessIntervalMilliseconds", "5", "must be >= 20"),
        ("ru", "l2_livenessIntervalMilliseconds", "5", "должно быть >= 20"),
        ("en", "bgp_holdTimeSeconds", "70000", "must be <= 65535"),
        ("en", "loadBalancerClass", "no spaces, please", "must match pattern"),
        ("ru", "controller_resourcesRequests_memory", "much", "должно соответствовать образцу"),
    ],
)
def test_a_wrong_value_is_refused_beside_its_field(
    browser: Browser, pages: dict[str, str], language: str, field: str, value: str, words: str
) -> None:
    browser("open", url=pages[language])
    browser("fill", at=f"#root_{field}", value=value)
    browser("press", at=SUBMIT)
    browser("appears", at=f"#root_{field}__error")
    [text] = browser("text", at=f"#root_{field}__error")
    assert words in text
    assert browser("text", at=".has-error > label.control-label")
    assert browser("text", at=RESULT) == []


@both_languages
def test_every_setting_is_there_with_its_description(
    browser: Browser, pages: dict[str, str], language: str
) -> None:
    browser("open", url=pages[language])
    [seen] = browser("text", at="form")
    plain = "".join(seen.split())
    for path, text in described(schema_in(language)):
        assert path.rpartition(".")[2] in plain, path
        first = text.partition("\n\n")[0].replace("`", "")
        assert "".join(first.removeprefix("- ").split())[:30] in plain, path


def described(schema: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Path and description of each property that is no item of a list."""
    found = []
    for name, below in schema.get("properties", {}).items():
        found.append((f"{path}.{name}", below["description"]))
        found += described(below, f"{path}.{name}")
    return found


@both_languages
def test_a_screenshot_is_made(
    browser: Browser, pages: dict[str, str], language: str, tmp_path: Path
) -> None:
    is_wanted = os.environ.get("FORM_SCREENSHOTS") == "1"
    path = IMAGES[language] if is_wanted else tmp_path / "form.png"
    path.parent.mkdir(exist_ok=True)
    browser("open", url=pages[language])
    browser("shot", path=str(path))
    assert path.read_bytes().startswith(PNG)
    assert IMAGES[language].read_bytes().startswith(PNG)
