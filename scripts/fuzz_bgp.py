"""Coverage-guided fuzzing of the BGP codec: octets that a peer might send, grown towards new code.

    .venv/bin/python scripts/fuzz_bgp.py -max_total_time=3600

Arguments are those of libFuzzer. The first octet of an input chooses how the rest is read: as a
stream of messages, or as the body of an UPDATE under one of the things that can be negotiated. The
corpus begins with a good message of every kind and some malformed ones; it grows in `out/fuzz-bgp`,
so a second run goes on where the first one ended. A finding is any exception but NotificationError:
the input is written to `out/crash-…`, and can be given as an argument to see it again.
"""

from __future__ import annotations

import sys
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "out" / "fuzz-bgp"
sys.path.insert(0, str(ROOT / "tests"))

try:
    import atheris
except ImportError:  # no wheel for this machine
    sys.exit("atheris is not there: it comes with Linux on x86-64 only")

with atheris.instrument_imports(include=["metallb_speaker.bgp"]):
    from metallb_speaker.bgp.errors import NotificationError
    from metallb_speaker.bgp.iana import IPV4_UNICAST, IPV6_UNICAST, Family
    from metallb_speaker.bgp.messages import (
        HEADER_LENGTH,
        MessageReader,
        RawUpdate,
        encode_notification,
    )
    from metallb_speaker.bgp.received import UpdateOptions
    from metallb_speaker.bgp.update import parse_update

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = frozenset((IPV4_UNICAST, IPV6_UNICAST))
NONE = frozenset[Family]()
OPTIONS = [
    UpdateOptions(
        is_internal=is_internal,
        four_octet_as=four_octet_as,
        families=BOTH,
        add_path=add_path,
        extended_next_hop=hops,
    )
    for is_internal, four_octet_as, add_path, hops in product(
        (False, True), (False, True), (NONE, BOTH), (NONE, BOTH)
    )
]
STREAM = len(OPTIONS)
"""First octets below it choose an option; others, a stream."""
MUTANTS_EACH = 40


def one_input(data: bytes) -> None:
    """Read one input; raises what is a finding."""
    if not data:
        return
    how, octets = data[0], data[1:]
    try:
        if how < STREAM:
            str(parse_update(octets, OPTIONS[how]).problems)
        else:
            read_stream(octets, OPTIONS[how % STREAM])
    except NotificationError as error:
        encode_notification(error)


def read_stream(octets: bytes, options: UpdateOptions) -> None:
    """Read messages in two helpings, as a socket gives them."""
    reader = MessageReader()
    for part in (octets[: len(octets) // 2], octets[len(octets) // 2 :]):
        reader.feed(part)
        while (message := reader.next_message()) is not None:
            str(message)
            if isinstance(message, RawUpdate):
                parse_update(message.body, options)


def seeds() -> Iterator[bytes]:
    """Inputs to begin with."""
    from support.bgp_mutants import GOOD, mutants, octets_of

    for kind, good in GOOD.items():
        some = islice(mutants(kind), 0, None, MUTANTS_EACH)
        for octets in (octets_of(good), *(mutant.octets for mutant in some)):
            yield bytes((STREAM,)) + octets
            if kind.startswith("UPDATE"):
                yield from (bytes((how,)) + octets[HEADER_LENGTH:] for how in range(STREAM))


def main(arguments: list[str]) -> None:
    """Fuzz until told to stop; libFuzzer ends the process."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (CORPUS / f"seed-{number:05d}").write_bytes(seed)
    found = f"-artifact_prefix={CORPUS.parent}/"
    atheris.Setup([sys.argv[0], found, *arguments, str(CORPUS)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
