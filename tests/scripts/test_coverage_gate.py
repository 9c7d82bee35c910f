"""The gate passes a package that its own tests cover, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import coverage_gate
from stages import Counts

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "def sign(n: int) -> int:\n    if n < 0:\n        return -1\n    return 1\n"
HALF = "from covered import sign\n\ndef test_one():\n    assert sign(5) == 1\n"
WHOLE = HALF + "\ndef test_two():\n    assert sign(-5) == -1\n"
WRONG = WHOLE.replace("== -1", "== 7")


@pytest.fixture
def tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package named `covered`, and where its tests go."""
    (tmp_path / "covered.py").write_text(MODULE)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(coverage_gate, "ROOT", tmp_path)
    monkeypatch.setattr(coverage_gate, "OUTPUT", tmp_path / "out")
    return tmp_path / "test_covered.py"


@pytest.mark.parametrize(
    ("text", "failed", "counts"),
    [
        (WHOLE, [], Counts(2, 0)),
        (HALF, ["covered"], Counts(1, 0)),
        (WRONG, ["covered"], Counts(1, 1)),
    ],
)
def test_the_gate(tests: Path, text: str, failed: list[str], counts: Counts) -> None:
    tests.write_text(text)
    assert coverage_gate.gate({"covered": str(tests)}) == (failed, counts)


def test_a_package_that_is_not_pure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage_gate.main(["metallb.kube"]) == 2
    assert "no pure package metallb.kube" in capsys.readouterr().out
