"""Files of a volume: which there are, and how they are replaced while a container looks.

As a kubelet does it: the files lie in a directory of their own, `..data` links to it, and each name
links into `..data`. A change writes a new directory and renames a new `..data` over the old one, so
a reader finds either all old files or all new ones.

    keys ─► ..data/keys        ..data ─► ..2026-11-27-1/
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from metallb_lab.pods.environment import field_of
from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.model import DownwardFiles, Items, Token

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from metallb_lab.pods.model import Files

DATA = "..data"
TOKEN_MODE = 0o600


@dataclass(frozen=True, slots=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """What there is to make files of."""

    data: Mapping[tuple[str, str], Mapping[str, bytes] | None]
    """Kind and name of a ConfigMap or Secret -> its data, None when it is not there."""
    tokens: Mapping[tuple[str, int], str]
    """Audience and seconds -> a token."""
    pod: Mapping[str, Any]
    users: frozenset[int] = frozenset()
    """Users of the pod's containers: a token belongs to the only one, or all may read it."""


def files_of(volume: Files, given: Given) -> dict[str, File]:
    """Give the files of a volume; raises NotYetError and UnsupportedError."""
    found: dict[str, File] = {}
    for source in volume.sources:
        if isinstance(source, Token):
            token = given.tokens[source.audience, source.expiration_seconds]
            found[_checked(source.path)] = _token_file(token.encode(), given.users)
        elif isinstance(source, DownwardFiles):
            for path, field in source.paths:
                found[_checked(path)] = File(field_of(given.pod, field).encode(), volume.mode)
        else:
            for path, content in _items(source, given).items():
                found[_checked(path)] = File(content, volume.mode)
    return found


def _items(source: Items, given: Given) -> dict[str, bytes]:
    data = given.data.get((source.kind, source.name))
    if data is None:
        if source.is_optional:
            return {}
        raise NotYetError("FailedMount", f"{source.kind} {source.name} not found")
    if not source.paths:
        return dict(data)
    missing = [key for key, _ in source.paths if key not in data]
    if missing and not source.is_optional:
        raise NotYetError("FailedMount", f"{source.kind} {source.name} has no key {missing[0]}")
    return {path: data[key] for key, path in source.paths if key in data}


def _token_file(content: bytes, users: frozenset[int]) -> File:
    if len(users) == 1:
        return File(content, TOKEN_MODE, next(iter(users)))
    return File(content, 0o644)


def _checked(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or any(part.startswith("..") for part in parts):
        raise UnsupportedError(f"path {path!r} of a volume's file")
    return path


def write_files(directory: Path, files: Mapping[str, File]) -> bool:
    """Make the files of a volume's directory exactly these; tell whether anything changed."""
    directory.mkdir(parents=True, exist_ok=True)
    current = directory / DATA
    if current.is_symlink() and _read(current) == dict(files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    for name, file in files.items():
        _write(fresh / name, file)
    old = directory / os.readlink(current) if current.is_symlink() else None
    draft = directory / "..data_tmp"
    draft.symlink_to(fresh.name)
    draft.rename(current)
    _link_names(directory, {PurePosixPath(name).parts[0] for name in files})
    if old is not None:
        shutil.rmtree(old)
    return True


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(file.content)
    os.chown(path, file.owner, file.owner)
    path.chmod(file.mode)


def _read(current: Path) -> dict[str, File]:
    found = {}
    for path in sorted(current.rglob("*")):
        if path.is_file():
            stat = path.stat()
            content = path.read_bytes()
            name = str(path.relative_to(current))
            found[name] = File(content, stat.st_mode & 0o7777, stat.st_uid)
    return found


def _link_names(directory: Path, names: set[str]) -> None:
    for path in directory.iterdir():
        if not path.name.startswith("..") and path.name not in names:
            path.unlink()
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
