"""The asker of ARP: its question on the wire, and which frames are an answer."""

from __future__ import annotations

from ipaddress import IPv4Address

from scapy.layers.l2 import ARP, Ether

from metallb_lab.bench.asker import Answers, question

MINE = bytes.fromhex("020000000001")
THEIRS = bytes.fromhex("020000000002")
VIP = IPv4Address("10.10.129.1")
ME = IPv4Address("10.10.0.100")


def reply(target: str = "02:00:00:00:00:01", sender_ip: str = str(VIP)) -> bytes:
    return bytes(
        Ether(dst=target, src="02:00:00:00:00:02")
        / ARP(
            op=2, hwsrc="02:00:00:00:00:02", psrc=sender_ip, hwdst="02:00:00:00:00:01",
            pdst=str(ME),
        )
    )  # fmt: skip


def gratuitous(operation: int) -> bytes:
    return bytes(
        Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:02")
        / ARP(op=operation, hwsrc="02:00:00:00:00:02", psrc=str(VIP), pdst=str(VIP))
    )


def test_the_question_is_an_arp_request_to_all() -> None:
    frame = Ether(question(MINE, ME, VIP))
    assert frame.dst == "ff:ff:ff:ff:ff:ff"
    assert (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, str(ME), str(VIP))
    assert frame[ARP].hwsrc == frame.src == "02:00:00:00:00:01"


def test_a_reply_to_us_is_an_answer_and_the_first_one_counts() -> None:
    answers = Answers(MINE, VIP)
    answers.take(reply(), 1.0)
    answers.take(reply(), 2.0)
    assert (answers.answered_at, answers.gratuitous_at) == (1.0, None)


def test_gratuitous_frames_of_both_forms_are_told_apart_from_answers() -> None:
    for operation in (1, 2):
        answers = Answers(MINE, VIP)
        answers.take(gratuitous(operation), 1.0)
        answers.take(gratuitous(operation), 2.0)
        assert (answers.answered_at, answers.gratuitous_at) == (None, 1.0)


def test_what_is_for_others_about_others_or_not_arp_is_no_answer() -> None:
    answers = Answers(MINE, VIP)
    for frame in (reply(target="02:00:00:00:00:09"), reply(sender_ip="10.10.129.2"), b"\0" * 14):
        answers.take(frame, 1.0)
    assert (answers.answered_at, answers.gratuitous_at) == (None, None)
