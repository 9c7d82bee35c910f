"""Two machines for classic BPF: a few lines of Python, and the kernel's own.

The kernel runs a socket filter on datagrams between two AF_UNIX sockets too, so it can judge a
frame without an interface, a namespace or a privilege. What it cannot be told there is the packet
type and the VLAN tag; those are the Python machine's.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Final, Self

SO_ATTACH_FILTER: Final = 26

# <linux/bpf_common.h>, by their parts and not by the names in the package under test
CLASS_MASK, LD, ALU, JMP, RET = 0x07, 0x00, 0x04, 0x05, 0x06
SIZES: Final = {0x00: 4, 0x08: 2, 0x10: 1}
MODE_ABS, MODE_LEN = 0x20, 0x80
OP_AND, OP_JEQ, OP_JGE = 0x50, 0x10, 0x30
SKF_AD_OFF: Final = -0x1000
SKF_AD_PKTTYPE, SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT = 4, 44, 48

Program = Sequence[tuple[int, int, int, int]]


def run(
    program: Program, frame: bytes, *, packet_type: int = 0, vlan_tag: int | None = None
) -> int:
    """The number of octets that the program passes; 0 drops. An illegal program raises."""
    about = {
        SKF_AD_PKTTYPE: packet_type,
        SKF_AD_VLAN_TAG: vlan_tag or 0,
        SKF_AD_VLAN_TAG_PRESENT: int(vlan_tag is not None),
    }
    accumulator, at = 0, 0
    for _ in program:  # jumps go forward only: no run is longer than the program
        code, jump_true, jump_false, k = program[at]
        at += 1
        match code & CLASS_MASK, code & ~CLASS_MASK:
            case 0x00, mode if mode == MODE_LEN:
                accumulator = len(frame)
            case 0x00, mode if mode & 0xE0 == MODE_ABS:
                offset = k - (1 << 32) if k >> 31 else k
                if offset < 0:
                    accumulator = about[offset - SKF_AD_OFF]
                    continue
                size = SIZES[mode & 0x18]
                if offset + size > len(frame):
                    return 0  # the kernel drops a frame that a load would overrun
                accumulator = int.from_bytes(frame[offset : offset + size], "big")
            case 0x04, operation if operation == OP_AND:
                accumulator &= k
            case 0x05, operation if operation == OP_JEQ:
                at += jump_true if accumulator == k else jump_false
            case 0x05, operation if operation == OP_JGE:
                at += jump_true if accumulator >= k else jump_false
            case 0x06, _:
                return k
            case _:
                raise ValueError(f"instruction {code:#x} is not known here")
    raise ValueError("the program ran off its end")


class KernelFilter:
    """The kernel judging frames by a program."""

    def __init__(self, program: Program) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        buffer = ctypes.create_string_buffer(code)
        filter_ = struct.pack("HL", len(program), ctypes.addressof(buffer))
        self._far.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
        self._far.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()

    def passes(self, frame: bytes) -> bool:
        self._near.send(frame)
        try:
            return self._far.recv(65536) == frame
        except BlockingIOError:
            return False
