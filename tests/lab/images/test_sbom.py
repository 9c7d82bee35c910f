"""Who answers for a file of the base, read from the base's own records."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from metallb_lab.images import ImageError
from metallb_lab.images.sbom import Package, Records, python_packages, system_packages

STATUS = """\
Package: libssl3
Status: install ok installed
Version: 3.0.17-1
Description: a library
 that is described in
 three lines: of text

Package: python3.11-minimal
Version: 3.11.2-6

Package: libpython3.11-minimal
Version: 3.11.2-7
"""
LISTS = {
    "libssl3:amd64": "/.\n/usr\n/usr/lib/x86_64-linux-gnu/libssl.so.3\n",
    "python3.11-minimal": "/usr/bin/python3.11\n",
    "libpython3.11-minimal": "/usr/lib/python3.11/os.py\n",
}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    archive = tmp_path / "base.tar"
    texts = {"./var/lib/dpkg/status": STATUS}
    texts |= {f"./var/lib/dpkg/info/{name}.list": text for name, text in LISTS.items()}
    with tarfile.open(archive, "w") as packed:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    return Records(archive)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    about = home / "lib/python3.11/dist-packages/Some_Thing-1.2.dist-info/METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.2\n")
    (home / "lib/python3.11/os.py").touch()
    (home / "lib/libssl.so.3").touch()
    return home


def test_distributions_of_python_are_named(home: Path) -> None:
    assert python_packages(home) == {Package("pypi", "some-thing", "1.2")}


def test_interpreter_library_and_modules_have_their_packages(home: Path, records: Records) -> None:
    assert system_packages(home, records) == {
        Package("deb", "libssl3", "3.0.17-1"),
        Package("deb", "python3.11-minimal", "3.11.2-6"),
        Package("deb", "libpython3.11-minimal", "3.11.2-7"),
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("lib/libother.so.1", "shared library libother.so.1"),
        ("lib/python3.11/other.py", "file /usr/lib/python3.11/other.py"),
    ],
)
def test_a_file_that_nobody_answers_for_is_an_error(
    home: Path, records: Records, path: str, said: str
) -> None:
    (home / path).touch()
    with pytest.raises(ImageError, match=said):
        system_packages(home, records)


def test_compiled_files_are_of_whom_their_source_is(home: Path, records: Records) -> None:
    compiled = home / "lib/python3.11/__pycache__/os.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.touch()
    assert len(system_packages(home, records)) == 3


def test_a_path_is_the_same_under_usr(records: Records) -> None:
    path = PurePosixPath("/lib/x86_64-linux-gnu/libssl.so.3")
    assert records.owner(path) == records.owner_of_library("libssl.so.3")


def test_names_have_the_form_that_scanners_know() -> None:
    deb = Package("deb", "libssl3", "3.0.17-1~deb12u1").component()
    assert str(deb.purl) == "pkg:deb/debian/libssl3@3.0.17-1~deb12u1"
    pypi = Package("pypi", "aiohttp", "3.14.5").component()
    assert str(pypi.purl) == "pkg:pypi/aiohttp@3.14.5"
