"""The coverage-guided fuzzer of the BGP codec runs, and finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from meta.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = """
import sys
sys.path.insert(0, {scripts!r})
import fuzz_bgp
from pathlib import Path

def broken(body, options):
    if body[:2] == bytes(2) and len(body) > 40:
        raise IndexError("planted")
    raise fuzz_bgp.NotificationError(3, 1)

fuzz_bgp.parse_update = broken
fuzz_bgp.CORPUS = Path({corpus!r})
fuzz_bgp.main(sys.argv[1:])
"""


def fuzz(tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    corpus = str(tmp_path / "corpus")
    code = program.format(scripts=str(ROOT / "scripts"), corpus=corpus)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_it_finds_nothing_in_some_thousands_of_runs(tmp_path: Path) -> None:
    healthy = "\n".join(line for line in PLANTED.splitlines() if "parse_update =" not in line)
    done = fuzz(tmp_path, healthy, "-runs=3000", "-seed=1")
    assert done.returncode == 0, done.stderr
    assert "Done 3000 runs" in done.stderr
    assert not list(tmp_path.glob("crash-*"))


def test_it_finds_an_exception_that_is_no_notification(tmp_path: Path) -> None:
    done = fuzz(tmp_path, PLANTED, "-runs=3000", "-seed=1")
    assert done.returncode != 0
    assert "IndexError: planted" in done.stdout + done.stderr
    (found,) = tmp_path.glob("crash-*")
    assert found.read_bytes()
