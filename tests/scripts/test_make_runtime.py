"""What goes into the Python of an image, and what stays out."""

from __future__ import annotations

import compileall
import importlib.util
import site
from pathlib import Path

import pytest

import make_runtime
from make_runtime import add_code, elf_files, listed, main, not_needed, packages_of

LIST = [
    "\tlinux-vdso.so.1 (0x00007f003fea4000)",
    "\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f003f61e000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f003fea6000)",
]


def test_the_loaders_list_names_files_that_are_linked() -> None:
    assert list(listed(LIST)) == [Path("/lib/x86_64-linux-gnu/libssl.so.3")]


def test_a_library_that_is_missing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"libffi\.so\.8 is not found"):
        list(listed([*LIST, "\tlibffi.so.8 => not found"]))


@pytest.mark.parametrize(
    ("directory", "names", "left_out"),
    [
        ("/site", ["bin", "aiohttp"], {"bin"}),
        ("/site/kubernetes", ["aio", "client", "config"], {"aio"}),
        ("/site/kubernetes/client", ["models", "api_client.py"], set()),
        ("/site/kubernetes/client/models", ["__init__.py", "v1_pod.py"], {"v1_pod.py"}),
        ("/site/kubernetes/client/api", ["__init__.py", "core_v1_api.py"], {"core_v1_api.py"}),
        ("/site/other/client/api", ["__init__.py", "calls.py"], set()),
    ],
)
def test_of_kubernetes_only_configuration_is_shipped(
    directory: str, names: list[str], left_out: set[str]
) -> None:
    assert not_needed(directory, names) == left_out


def test_programs_and_shared_objects_are_told_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF\x02")
    (tmp_path / "named.so").write_text("not one")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("program")
    assert list(elf_files(tmp_path)) == [tmp_path / "program"]


# ---------------------------------------------------------------- with a loader that is told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is linked to three libraries of the machine."""
    machine = tmp_path / "machine"
    machine.mkdir()
    for name in ("libc.so.6", "libssl.so.3", "ld-linux.so.2"):
        (machine / name).write_text(name)
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    (home / "bin" / "python3").write_bytes(b"\x7fELF")
    found = sorted(machine.iterdir())
    monkeypatch.setattr(make_runtime, "linked", lambda loader, binary: found)
    return home


def loader(home: Path) -> Path:
    return home.parent / "machine" / "ld-linux.so.2"


def test_an_image_gets_the_c_library_and_its_loader(home: Path) -> None:
    make_runtime.copy_shared_libraries(home, loader(home), is_whole=True)
    names = {path.name for path in (home / "lib").iterdir()}
    assert names == {"libc.so.6", "libssl.so.3", "ld-linux.so.2"}


def test_hooks_take_those_of_where_they_run(home: Path) -> None:
    make_runtime.copy_shared_libraries(home, loader(home), is_whole=False)
    assert [path.name for path in (home / "lib").iterdir()] == ["libssl.so.3"]


def test_libraries_are_looked_for_from_where_a_program_lies(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = home / "lib" / "python3.11" / "lib-dynload"
    modules.mkdir(parents=True)
    (modules / "_ssl.so").touch()
    calls: list[tuple[str, ...]] = []

    def patchelf(*arguments: str | Path) -> str:
        calls.append(tuple(map(str, arguments)))
        return "/usr/lib" if arguments[0] == "--print-rpath" else ""

    monkeypatch.setattr(make_runtime, "patchelf", patchelf)
    make_runtime.point_to_libraries(home, home / "bin" / "python3")
    places = {Path(call[-1]).name: call[-2] for call in calls if "--set-rpath" in call}
    assert places == {"python3": "$ORIGIN/../lib", "_ssl.so": "$ORIGIN/../.."}


# ---------------------------------------------------------------- our own code


def test_packages_are_where_this_python_looks() -> None:
    place = packages_of(Path("/some/home"))
    assert str(place) in site.getsitepackages(["/some/home"])


def test_our_code_is_laid_over_and_compiled(tmp_path: Path) -> None:
    package = tmp_path / "code" / "ours"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("value = 1\n")
    compileall.compile_dir(package, quiet=2)
    (package / "__pycache__" / "stale.cpython-39.pyc").touch()
    assert add_code(tmp_path / "code", tmp_path / "root") == tmp_path / "root" / "opt/metallb"
    made = packages_of(tmp_path / "root" / "opt/metallb") / "ours" / "__init__.py"
    assert made.read_text() == "value = 1\n"
    (compiled,) = (made.parent / "__pycache__").iterdir()
    assert compiled == Path(importlib.util.cache_from_source(str(made)))
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01, "is never checked again"
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_words_that_are_not_understood_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything", "a", "b"]) == 2
    assert main(["image", "a"]) == 2
    assert "usage: make_runtime.py image | code | hooks" in capsys.readouterr().err
