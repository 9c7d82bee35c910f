"""What goes into the Python of an image, and what stays out."""

from __future__ import annotations

from pathlib import Path

import pytest

from make_runtime import elf_files, listed, not_needed

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
