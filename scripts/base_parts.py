"""What of the base is in the images and in the hooks' environment: the interpreter, and the shared
libraries that it and the packages are linked to.

Versions are those of the base that `make module` builds in; a release has those of the platform's.
A test holds this list together with what the images say of themselves.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BasePart:
    """A piece of software, and the packages of the base that hold it."""

    id: str
    version: str
    description: str
    link: str
    license: str
    packages: tuple[str, ...]

    def entry(self) -> dict[str, str]:
        """Give it as `oss.yaml` has it."""
        return {
            "id": self.id,
            "version": self.version,
            "name": self.id,
            "description": self.description,
            "link": self.link,
            "license": self.license,
        }


BASE_PARTS = (
    BasePart(
        "bzip2", "1.0.8", "Library for data compression",
        "https://sourceware.org/bzip2/", "bzip2-1.0.6", ("libbz2-1.0",),
    ),
    BasePart(
        "cpython", "3.11.2", "The Python programming language",
        "https://www.python.org/", "PSF-2.0",
        ("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
    ),
    BasePart(
        "expat", "2.5.0", "XML parser", "https://libexpat.github.io/", "MIT", ("libexpat1",)
    ),
    BasePart(
        "gcc", "12.2.0", "Run-time libraries of the GNU compilers",
        "https://gcc.gnu.org/", "GPL-3.0-or-later WITH GCC-exception-3.1",
        ("libgcc-s1", "libstdc++6"),
    ),
    BasePart(
        "glibc", "2.36", "The GNU C library",
        "https://www.gnu.org/software/libc/", "LGPL-2.1-or-later", ("libc6",),
    ),
    BasePart(
        "libffi", "3.4.4", "Foreign function interface",
        "https://sourceware.org/libffi/", "MIT", ("libffi8",),
    ),
    BasePart(
        "libxcrypt", "4.4.33", "Hashing of passwords",
        "https://github.com/besser82/libxcrypt", "LGPL-2.1-or-later", ("libcrypt1",),
    ),
    BasePart(
        "openssl", "3.0.20", "TLS and cryptography",
        "https://www.openssl.org/", "Apache-2.0", ("libssl3",),
    ),
    BasePart(
        "sqlite", "3.40.1", "SQL database engine",
        "https://www.sqlite.org/", "blessing", ("libsqlite3-0",),
    ),
    BasePart(
        "util-linux", "2.38.1", "libuuid: universally unique identifiers",
        "https://github.com/util-linux/util-linux", "BSD-3-Clause", ("libuuid1",),
    ),
    BasePart(
        "xz", "5.4.1", "liblzma: data compression",
        "https://tukaani.org/xz/", "LicenseRef-Public-Domain", ("liblzma5",),
    ),
    BasePart(
        "zlib", "1.2.13", "Data compression", "https://zlib.net/", "Zlib", ("zlib1g",)
    ),
)  # fmt: skip
