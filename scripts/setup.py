"""Brings what a target of the Makefile needs: only what is missing, and nothing twice.

    python3 scripts/setup.py python    uv and .venv: what `make check` needs
    python3 scripts/setup.py tools     and what `make tools` needs
    python3 scripts/setup.py lab       and root, network namespaces and the programs of the lab
    python3 scripts/setup.py routers   the lab, and the routers that its nodes can speak BGP with
    python3 scripts/setup.py module    what `make module` builds images with, and root
    python3 scripts/setup.py pods      both of these, and what runs images as pods
    python3 scripts/setup.py test      the lab, images, and the browser that shows the form
    python3 scripts/setup.py bench     the lab, and the programs that benchmarks measure beside ours
    python3 scripts/setup.py guest     the lab, and what the kernel of `make guest` is built of

Runs on the machine's own Python (3.11 or newer) and its standard library alone. Distribution
packages come from apt; what is Python comes by uv from `uv.lock` into `.venv`. uv is the one on the
PATH if it is new enough, else it goes into a virtual environment of its own, `.uv`: the machine's
Python is never changed. A digest of all that decides what is in `.venv` is kept there, so that a
second run touches neither uv nor the network.

Limits: installs packages on Debian and Ubuntu only; elsewhere it says which programs are missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
OWN_UV = ROOT / ".uv"
STAMP = ENVIRONMENT / ".set-up"

PYTHON = os.path.realpath(sys.executable)
PYTHON_LEAST = (3, 11)
UV_LEAST = (0, 9)
UV_VERSION = "0.13.9"
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class SetupError(Exception):
    """Something is missing and cannot be brought; the message is for the person at the keyboard."""


@dataclass(frozen=True)
class Need:
    """A program (or a file, by its absolute path), the package that has it, and what it is for."""

    name: str
    package: str
    purpose: str


TOOL_NEEDS = (
    Need(CERTIFICATES, "ca-certificates", "lets Go fetch the modules of the Kubernetes programs"),
)
LAB_NEEDS = (
    *TOOL_NEEDS,
    Need("ip", "iproute2", "makes the lab's network namespaces, bridges and links"),
    Need("nft", "nftables", "is the data path in the lab's nodes"),
    Need("sysctl", "procps", "sets forwarding in the lab's namespaces"),
    Need("setpriv", "util-linux", "ends the lab's processes when the lab ends"),
    Need("tcpdump", "tcpdump", "shows the frames of a lab that was kept"),
    Need("curl", "curl", "asks the web servers of a lab that was kept"),
)
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
IMAGE_NEEDS = (
    Need(CERTIFICATES, "ca-certificates", "lets the builds of images fetch packages"),
    Need("buildah", "buildah", "builds images"),
    Need("debootstrap", "debootstrap", "makes the base that images are built in"),
    Need(DEBIAN_KEYS, "debian-archive-keyring", "tells that the base is Debian's"),
)
POD_NEEDS = (Need("runc", "runc", "runs images"),)
ROUTER_NEEDS = (
    Need("bird", "bird2", "is a router with which our speakers hold sessions"),
    Need("/usr/lib/frr/bgpd", "frr", "is a router with which our speakers hold sessions"),
)
TEST_NEEDS = (
    *ROUTER_NEEDS,
    Need("gobgpd", "gobgpd", "is a router with which our speakers hold sessions"),
    Need("/usr/sbin/bgpctl", "openbgpd", "is a router with which our speakers hold sessions"),
    Need("linux.uml", "user-mode-linux", "is a kernel with VRF, in which tests of it run"),
    Need("pmbmpd", "pmacct", "is a collector that our speakers tell of their sessions by BMP"),
    Need("chromium", "chromium", "shows the form of the settings to its tests"),
    Need("prometheus", "prometheus", "scrapes the lab, for the dashboards to be tested"),
    Need("promtool", "prometheus", "judges the alerting rules and plays their cases"),
)
BENCH_NEEDS = (Need("keepalived", "keepalived", "is the peer of the fail-over benchmark"),)
KERNEL_SOURCE = "/usr/src/linux-source-6.12.tar.xz"
GUEST_NEEDS = (
    ROUTER_NEEDS[0],
    Need(KERNEL_SOURCE, "linux-source-6.12", "is the source of a kernel with TCP-AO"),
    Need("xz", "xz-utils", "unpacks it"),
    Need("make", "make", "builds it"),
    Need("gcc", "gcc", "compiles it"),
    Need("flex", "flex", "reads its configuration"),
    Need("bison", "bison", "reads its configuration"),
    Need("bc", "bc", "computes its constants"),
)
VENV_NEED = Need("ensurepip", "python3-venv", "makes the virtual environment that uv is put into")

PROGRAMS = (
    "kubernetes.config",
    "metallb_controller.app.run",
    "metallb_lab.apiserver",
    "metallb_speaker.policy.process",
    "metallb_speaker.reflex.process",
)
"""Modules that import all that the lab's processes do."""

LEVELS: Mapping[str, Sequence[Need]] = {
    "python": (),
    "tools": TOOL_NEEDS,
    "lab": LAB_NEEDS,
    "routers": (*LAB_NEEDS, *ROUTER_NEEDS),
    "module": IMAGE_NEEDS,
    "pods": (*LAB_NEEDS, *IMAGE_NEEDS[1:], *POD_NEEDS),
    "test": (*LAB_NEEDS, *IMAGE_NEEDS[1:], *POD_NEEDS, *TEST_NEEDS),
    "bench": (*LAB_NEEDS, *ROUTER_NEEDS, *BENCH_NEEDS),
    "guest": (*LAB_NEEDS, *GUEST_NEEDS),
}
OF_THE_LAB = "the lab makes network namespaces and opens raw sockets in them"
ROOT_LEVELS = {
    "lab": OF_THE_LAB,
    "routers": OF_THE_LAB,
    "pods": OF_THE_LAB,
    "module": "images are made of files that belong to root, in mount namespaces",
    "test": OF_THE_LAB,
    "bench": OF_THE_LAB,
    "guest": OF_THE_LAB,
}
"""What only root can use, and why."""


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"[setup] {text}", flush=True)


# ---------------------------------------------------------------- what is missing


def is_present(need: Need) -> bool:
    """Tell whether a program is on the PATH, a file in its place, or ensurepip in this Python."""
    if need is VENV_NEED:
        return importlib.util.find_spec(need.name) is not None
    if need.name == CERTIFICATES and os.environ.get("SSL_CERT_FILE"):
        return True
    if need.name.startswith("/"):
        return Path(need.name).exists()
    return shutil.which(need.name, path=PROGRAM_PATH) is not None


def missing_needs(
    level: str, *, is_synced: bool, has_uv: bool, present: Callable[[Need], bool] = is_present
) -> list[Need]:
    """List what is not there; what installs uv counts only when uv is wanted and not there."""
    needs = list(LEVELS[level])
    if not is_synced and not has_uv:
        needs.append(VENV_NEED)
    return [need for need in needs if not present(need)]


def explain_missing(needs: Sequence[Need]) -> str:
    """Say what is missing and what for, one a line."""
    return "".join(f"\n  {need.package:16} {need.name} {need.purpose}" for need in needs)


def why_not(level: str, needs: Sequence[Need], *, is_root: bool, has_apt: bool) -> str | None:
    """Tell why the needs cannot be met; None: they can."""
    reasons = []
    if level in ROOT_LEVELS and not is_root:
        reasons.append(
            f"This needs root: {ROOT_LEVELS[level]}.\n"
            "Run the same command as root, for example with sudo."
        )
    if needs and not is_root:
        reasons.append(f"Packages are missing, and root installs them:{explain_missing(needs)}")
    elif needs and not has_apt:
        reasons.append(
            "These are missing, and there is no apt-get to install them with; please install them "
            f"by hand:{explain_missing(needs)}"
        )
    return "\n".join(reasons) or None


# ---------------------------------------------------------------- packages of the distribution


def install_packages(needs: Sequence[Need]) -> None:
    """Install the packages of the needs, after one update of the package lists."""
    packages = sorted({need.package for need in needs})
    say(f"installing {', '.join(packages)}:{explain_missing(needs)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["-q", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"]
    updated = subprocess.run(["apt-get", *quiet, "update"], env=environment, check=False)
    if updated.returncode:
        say("apt-get update failed; going on with the lists that are there")
    command = ["apt-get", *quiet, "install", "--yes", "--no-install-recommends", *packages]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise SetupError(f"apt-get could not install {', '.join(packages)}; its words are above")
    if left := [need for need in needs if not is_present(need)]:
        raise SetupError(f"still missing after the installation:{explain_missing(left)}")


def check_namespaces() -> None:
    """Raise when root may not make network namespaces, as in most containers."""
    tried = subprocess.run(
        ["unshare", "--net", "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise SetupError(
            "This machine does not let root make network namespaces "
            f"({tried.stderr.strip() or tried.returncode}).\n"
            "A container needs CAP_SYS_ADMIN and CAP_NET_ADMIN for it (docker run --privileged)."
        )


# ---------------------------------------------------------------- the Python environment


def digest_of_environment() -> str:
    """Sum up everything that decides what is in `.venv`, and where it is."""
    found = hashlib.sha256(f"{sys.version} {PYTHON} {ROOT}".encode())
    members = [*ROOT.glob("lib/*/pyproject.toml"), *ROOT.glob("images/*/pyproject.toml")]
    for path in [ROOT / "uv.lock", ROOT / "pyproject.toml", ROOT / "lab/pyproject.toml", *members]:
        found.update(path.read_bytes())
    return found.hexdigest()


def is_synced() -> bool:
    """Tell whether `.venv` is what the lock says."""
    try:
        return STAMP.read_text() == digest_of_environment()
    except OSError:
        return False


def version_of(text: str) -> tuple[int, ...]:
    """Read `uv 0.13.9 (…)` as numbers; () when there are none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def find_uv() -> str | None:
    """Find a uv that is new enough: on the PATH, or our own."""
    for candidate in (shutil.which("uv"), str(OWN_UV / "bin" / "uv")):
        if candidate and os.access(candidate, os.X_OK):
            asked = subprocess.run(
                [candidate, "--version"], capture_output=True, text=True, check=False
            )
            if asked.returncode == 0 and version_of(asked.stdout) >= UV_LEAST:
                return candidate
    return None


def install_uv() -> str:
    """Put uv into a virtual environment of its own."""
    say(f"installing uv {UV_VERSION} into {OWN_UV}")
    shutil.rmtree(OWN_UV, ignore_errors=True)
    wheel = f"uv=={UV_VERSION}"
    pip = [str(OWN_UV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    for command in ([PYTHON, "-m", "venv", str(OWN_UV)], [*pip, "install", "-q", wheel]):
        if subprocess.run(command, check=False).returncode:
            shutil.rmtree(OWN_UV, ignore_errors=True)
            raise SetupError(f"uv could not be installed: {' '.join(command)} failed")
    return str(OWN_UV / "bin" / "uv")


def sync(uv: str) -> None:
    """Bring `.venv` to what the lock says."""
    say("bringing .venv to what uv.lock says")
    command = [uv, "sync", "--locked", "--python", PYTHON]
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise SetupError(f"{' '.join(command)} failed; its words are above")
    STAMP.write_text(digest_of_environment())
    compile_modules()


def compile_modules() -> None:
    """Import once what the lab starts many times at once, so that Python compiles it only once.

    Also where the environment says that Python is not to write what it has compiled: a lab starts a
    dozen processes, and each would compile everything anew, for seconds.
    """
    command = [str(ENVIRONMENT / "bin" / "python"), "-c", f"import {', '.join(PROGRAMS)}"]
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=False)


# ---------------------------------------------------------------- command line


def set_up(level: str) -> None:
    """Bring a level; raises SetupError."""
    synced = is_synced()
    uv = None if synced else find_uv()
    needs = missing_needs(level, is_synced=synced, has_uv=uv is not None)
    reason = why_not(
        level,
        needs,
        is_root=os.geteuid() == 0,
        has_apt=shutil.which("apt-get", path=PROGRAM_PATH) is not None,
    )
    if reason is not None:
        raise SetupError(reason)
    if needs:
        install_packages(needs)
    if level in ROOT_LEVELS:
        check_namespaces()
    if not synced:
        sync(uv or install_uv())


def main(arguments: Sequence[str]) -> int:
    """Bring what the named level needs; gives the exit code."""
    if sys.version_info < PYTHON_LEAST:
        print(
            f"Python {'.'.join(map(str, PYTHON_LEAST))} or newer is needed; {sys.executable} is "
            f"{sys.version.split()[0]}. Name another one: make PYTHON=python3.12 …",
            file=sys.stderr,
        )
        return 1
    if len(arguments) != 1 or arguments[0] not in LEVELS:
        print(f"usage: setup.py {' | '.join(LEVELS)}", file=sys.stderr)
        return 2
    try:
        set_up(arguments[0])
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
