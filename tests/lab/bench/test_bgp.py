"""Parts of the benchmarks of BGP: the sink, the asker over HTTP, what the senders are told."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from metallb_lab.bench import (
    bfd,
    bgp_rig,
    bgp_sender,
    bgp_senders,
    bgp_sink,
    bgp_table,
    bgp_withdraw,
    http_asker,
)
from metallb_lab.bench.bgp_table import Sent, Size, fanout_figures, table_figures
from metallb_lab.topology import Host
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.messages import KEEPALIVE, MessageReader, frame
from metallb_speaker.bgp.open import OpenMessage
from metallb_speaker.bgp.prefixes import Prefix
from metallb_speaker.bgp.update import update_message

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, TWO = (Prefix.of(item).nlri for item in ("192.0.2.1/32", "198.51.100.0/25"))
DEADLINE_SECONDS = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        near.settimeout(DEADLINE_SECONDS)
        yield near, far


def test_prefixes_are_cut_by_their_lengths() -> None:
    assert bgp_sink.prefixes_in(ONE + TWO + b"\0") == (ONE, TWO, b"\0")
    assert bgp_sink.prefixes_in(b"") == ()


def test_the_sink_agrees_to_little_and_answers_each_step(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    heard = bgp_sink.Heard(far, 65002)
    reader = MessageReader()
    reader.feed(near.recv(4096))
    found = reader.next_message()
    assert isinstance(found, OpenMessage)
    assert (found.my_as, found.router_id) == (65002, 0x7F000001)
    assert len(found.capabilities) == 2
    before = time.monotonic()
    heard.take(frame(MessageType.OPEN, b"whatever"), 1.0)
    assert near.recv(4096) == KEEPALIVE
    steps = [heard.is_up]
    heard.take(KEEPALIVE, 2.0)
    assert near.recv(4096) == KEEPALIVE
    heard.take(KEEPALIVE, 3.0)
    assert [*steps, heard.is_up] == [False, True]
    assert heard.established_at >= before


def test_the_sink_counts_what_is_announced_and_not_withdrawn(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    heard = bgp_sink.Heard(pair[1], 65002)
    data = update_message(attributes=b"\x40\x01\x01\x00", nlri=ONE + TWO)
    heard.take(data[:30], 1.0)
    assert not heard.prefixes
    heard.take(data[30:] + update_message(attributes=b"", nlri=ONE), 2.0)
    assert heard.prefixes == {ONE, TWO}
    heard.take(update_message(withdrawn=ONE), 3.0)
    assert (heard.prefixes, heard.updates, heard.last_at) == ({TWO}, 3, 3.0)


def _serve(server: socket.socket, status: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0" + status + b"said\r\n\r\n")


def _is_answered(asker: http_asker.Asker) -> bool:
    """Go on until there is an answer, or no connection left that could bring one."""
    while asker.open_count:
        if asker.wait(time.monotonic() + DEADLINE_SECONDS) is not None:
            return True
    return False


def test_the_asker_goes_on_until_it_is_answered_with_200(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(http_asker, "PORT", server.getsockname()[1])
    asker = http_asker.Asker("127.0.0.1")
    asker.begin()
    assert not _is_answered(asker)  # nobody listens
    for status, is_answer in ((b" 503 ", False), (b" 200 ", True)):
        with socket.create_server(("127.0.0.1", http_asker.PORT)) as server:
            thread = threading.Thread(target=_serve, args=(server, status))
            thread.start()
            asker.begin()
            assert _is_answered(asker) is is_answer
            thread.join()
    asker.close()
    assert (asker.asked, asker.open_count) == (3, 0)


def test_all_senders_announce_the_same_routes() -> None:
    peers = ("10.9.1.1", "10.9.1.2")
    bird = bgp_senders.bird_configuration(peers, 3, at_once=True)
    frr = bgp_senders.frr_configuration(peers, 3)
    exabgp = bgp_senders.exabgp_configuration(peers, 3)
    assert "disabled" not in bird
    assert "disabled yes;" in bgp_senders.bird_configuration(peers, 3, at_once=False)
    for number in range(3):
        route = bgp_sender.host_route(number)
        assert route == f"10.64.0.{number}/32"
        assert (bird.count(route), frr.count(route), exabgp.count(route)) == (1, 1, len(peers))
    for text in (bird, frr, exabgp):
        assert all(f"{peer} " in text for peer in peers)
        assert "10.64.0.3" not in text
    assert bgp_sender.peer_config(peers[0], 65001, 65002).check() is None


def test_a_full_table_is_held_against_each_sender() -> None:
    sent = {name: [Sent(10.0 + number, 20.0, 3)] for number, name in enumerate(bgp_table.SENDERS)}
    found = {item.id: item for item in table_figures(Size(100, 1, 1), sent)}
    assert list(found) == ["F5", "F5-frr", "F5-exabgp", "F5-memory"]
    assert found["F5-frr"].ratio == pytest.approx(10 / 12)
    assert found["F5"].goal_text == "median <= 60 ms and <= 1 x the peer"
    assert found["F5-memory"].is_met


def flaps(downs: int, router_downs: int) -> bfd.Found:
    return bfd.Found(1.0, downs, router_downs, 0, 0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(("downs", "is_met"), [((0, 0), True), ((0, 1), False)])
def test_one_flap_while_routes_are_sent_is_one_too_many(
    downs: tuple[int, int], *, is_met: bool
) -> None:
    times = {"ours": [1.0, 2.9], "BIRD": [1.0, 1.0]}
    found = fanout_figures(Size(100, 5, 2), times, [flaps(item, 0) for item in downs])
    assert [item.id for item in found] == ["FANOUT", "FANOUT-bfd"]
    assert [item.is_met for item in found] == [True, is_met]


@pytest.mark.parametrize(("slowest", "is_met"), [(50.0, True), (50.1, False)])
def test_each_withdrawal_has_to_be_in_time(slowest: float, *, is_met: bool) -> None:
    runs = [bgp_withdraw.Run(5.0, 20.0), bgp_withdraw.Run(6.0, slowest)]
    found = bgp_withdraw.figure("real", runs)
    assert found.is_met is is_met
    assert found.peer.series.worst == 6.0


@pytest.mark.parametrize(("milliseconds", "is_watched"), [(0, False), (50, True)])
def test_a_bird_in_a_speakers_place_is_watched_where_the_speaker_is(
    milliseconds: int, is_watched: bool
) -> None:
    text = bgp_rig.node_configuration(Host("n1", "", "", 11), milliseconds)
    assert ("bfd on;" in text) is is_watched
    assert f"route {bgp_rig.THEIRS}/32" in text
    assert ("interval 50 ms" in text) is is_watched
