"""Files of volumes: which, with what modes, and that a reader never sees half a change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from lab.pods.bodies import pod
from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.model import DownwardFiles, Files, Items, Token
from metallb_lab.pods.volumes import File, Given, files_of, write_files

if TYPE_CHECKING:
    from pathlib import Path

DATA = {("Secret", "s"): {"a": b"1", "b": b"2"}, ("ConfigMap", "gone"): None}
TOKENS = {("", 3607): "TOKEN"}


def given(*users: int) -> Given:
    return Given(DATA, TOKENS, pod(), frozenset(users))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Items("Secret", "s"), {"a": b"1", "b": b"2"}),
        (Items("Secret", "s", (("a", "dir/x"),)), {"dir/x": b"1"}),
        (Items("ConfigMap", "gone", is_optional=True), {}),
        (Items("Secret", "s", (("c", "x"),), is_optional=True), {}),
        (DownwardFiles((("namespace", "metadata.namespace"),)), {"namespace": b"d8-metallb"}),
    ],
)
def test_what_files_there_are(source: Any, expected: dict[str, bytes]) -> None:
    found = files_of(Files((source,), 0o400), given())
    assert found == {name: File(content, 0o400) for name, content in expected.items()}


@pytest.mark.parametrize(
    "source", [Items("ConfigMap", "gone"), Items("Secret", "s", (("c", "x"),))]
)
def test_what_is_not_there_is_waited_for(source: Items) -> None:
    with pytest.raises(NotYetError, match=source.name) as error:
        files_of(Files((source,)), given())
    assert error.value.reason == "FailedMount"


def test_a_token_belongs_to_the_only_user_or_to_all() -> None:
    volume = Files((Token("token", "", 3607),))
    assert files_of(volume, given(64535)) == {"token": File(b"TOKEN", 0o600, 64535)}
    assert files_of(volume, given(0, 64535)) == {"token": File(b"TOKEN", 0o644)}
    assert files_of(volume, given()) == {"token": File(b"TOKEN", 0o644)}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "..data"])
def test_paths_out_of_the_volume_are_refused(path: str) -> None:
    with pytest.raises(UnsupportedError, match="path"):
        files_of(Files((Items("Secret", "s", (("a", path),)),)), given())


def test_files_are_written_with_mode_and_owner(tmp_path: Path) -> None:
    me = os.getuid()
    wanted = {"keys": File(b"k", 0o400, me), "dir/x": File(b"x", 0o644, me)}
    assert write_files(tmp_path / "v", wanted)
    assert (tmp_path / "v/keys").read_bytes() == b"k"
    assert (tmp_path / "v/dir/x").read_bytes() == b"x"
    assert (tmp_path / "v/keys").stat().st_mode & 0o777 == 0o400
    assert not write_files(tmp_path / "v", wanted)


def test_a_change_is_one_rename(tmp_path: Path) -> None:
    me, volume = os.getuid(), tmp_path / "v"
    write_files(volume, {"a": File(b"1", 0o644, me), "b": File(b"1", 0o644, me)})
    before = (volume / "a").resolve().parent
    link = os.readlink(volume / "a")
    assert write_files(volume, {"a": File(b"2", 0o644, me), "c": File(b"2", 0o644, me)})
    assert os.readlink(volume / "a") == link == "..data/a"
    assert (volume / "a").read_bytes() == (volume / "c").read_bytes() == b"2"
    assert not (volume / "b").is_symlink()
    assert not before.exists()
    left = {path.name for path in volume.iterdir()} - {"..data", os.readlink(volume / "..data")}
    assert left == {"a", "c"}


def test_a_changed_mode_is_a_change(tmp_path: Path) -> None:
    me = os.getuid()
    write_files(tmp_path / "v", {"a": File(b"1", 0o644, me)})
    assert write_files(tmp_path / "v", {"a": File(b"1", 0o600, me)})
