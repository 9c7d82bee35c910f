"""The kernel that `make guest` builds: what it says when it cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_lab import kernel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path))


def test_without_its_source_it_says_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "SOURCE", tmp_path / "nothing")
    with pytest.raises(kernel.KernelError, match=r"setup\.py guest"):
        kernel.ensure()


def test_a_source_that_cannot_be_read_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.tar.xz"
    source.write_text("no archive")
    monkeypatch.setattr(kernel, "SOURCE", source)
    with pytest.raises(kernel.KernelError, match=r"tar .* failed"):
        kernel.ensure()
    assert not [item for item in kernel.path().parent.iterdir() if item.is_dir()]


def test_a_kernel_that_is_there_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.path().parent.mkdir(parents=True)
    kernel.path().touch()
    said: list[str] = []
    assert kernel.ensure(said.append) == kernel.path()
    assert said == [f"[kernel] present in {kernel.path()}"]


def test_a_setting_that_the_source_does_not_know_is_an_error(tmp_path: Path) -> None:
    made = tmp_path / ".config"
    made.write_text(kernel.CONFIGURATION.read_text().replace("CONFIG_TCP_AO=y\n", ""))
    with pytest.raises(kernel.KernelError, match=r"cannot have CONFIG_TCP_AO=y$"):
        kernel._check(made)
