"""Programs that make images: their steps are told, their failures shown."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from metallb_lab.images.__main__ import main
from metallb_lab.images.commands import ImageError, buildah, lock, run

if TYPE_CHECKING:
    from pathlib import Path


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_steps_are_told_and_the_rest_is_logged(tmp_path: Path) -> None:
    said: list[str] = []
    script = "print('noise'); print('[1/2] STEP 1/3: FROM x')"
    output = run(python(script), tmp_path / "log", said.append, "image")
    assert said == ["image: STEP 1/3: FROM x"]
    assert (tmp_path / "log").read_text() == output == "noise\n[1/2] STEP 1/3: FROM x\n"


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    script = "import sys; print(chr(35) * 9); [print(n) for n in range(40)]; sys.exit('the reason')"
    with pytest.raises(ImageError, match=r"failed \(1\)") as caught:
        run(python(script), tmp_path / "log", print, "image")
    assert "the reason" in str(caught.value)
    assert "#########" not in str(caught.value)
    assert str(tmp_path / "log") in str(caught.value)


def test_a_missing_program_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no-such-program is missing; run: .*setup\.py"):
        run(["no-such-program"], tmp_path / "log", print, "image")


def test_the_store_is_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path))
    command = buildah("images")
    assert f"--root={tmp_path}/images/storage" in command
    monkeypatch.setenv("METALLB_LAB_CACHE", str(tmp_path / "other"))
    assert not {word for word in command if "root=" in str(word)} & set(buildah("images"))


def test_one_waits_for_another_and_says_so(tmp_path: Path) -> None:
    waits = threading.Event()
    order: list[str] = []

    def say(text: str) -> None:
        order.append(text)
        waits.set()

    def second() -> None:
        with lock(tmp_path / "lock", "image", say):
            order.append("second")

    thread = threading.Thread(target=second)
    with lock(tmp_path / "lock", "image", print):
        thread.start()
        assert waits.wait(20)
        order.append("first")
    thread.join(20)
    assert order == ["image: another process is building, waiting for it", "first", "second"]


@pytest.mark.parametrize("version", ["1.2.3", "v1.2", "latest", "v1.2.3/x"])
def test_a_version_that_is_none_is_refused(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["module", version])
    assert f"{version!r} is no version like v1.2.3" in capsys.readouterr().err
