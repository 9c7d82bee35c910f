"""BGP-CODEC: both libraries read what was written, and a wrong reading is refused."""

from __future__ import annotations

import pytest

from metallb_lab.bench import bgp_codec
from metallb_lab.bench.benchmark import BenchmarkError
from metallb_speaker.bgp.prefixes import Prefix

WANTED = bgp_codec.networks(3)
PREFIXES = [Prefix.of(network) for network in WANTED]


def test_what_is_written_is_read_by_both() -> None:
    peer = bgp_codec.ExaBgp()
    stream, each = bgp_codec.encode(PREFIXES), bgp_codec.encode_each(PREFIXES)
    assert (len(bgp_codec.bodies(stream)), len(bgp_codec.bodies(each))) == (1, 3)
    for octets in (stream, each):
        assert bgp_codec.decode(octets) == PREFIXES
        assert [str(item) for item in peer.decode(bgp_codec.bodies(octets))] == [
            "10.64.0.0/32",
            "10.64.0.1/32",
            "10.64.0.2/32",
        ]


def test_both_write_the_same_octets() -> None:
    peer = bgp_codec.ExaBgp()
    written = peer.encode(peer.routes(WANTED), peer.attributes())
    assert b"".join(written) == bgp_codec.encode(PREFIXES)


def test_a_wrong_reading_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="ours did not read"):
        bgp_codec.check(PREFIXES[:-1], WANTED, WANTED)
    with pytest.raises(BenchmarkError, match="ExaBGP did not read"):
        bgp_codec.check(PREFIXES, WANTED[1:], WANTED)
