"""A classic BPF program that wakes us for ARP and NDP only.

For SO_ATTACH_FILTER on an AF_PACKET socket of type SOCK_RAW: offsets count from the destination
MAC. It stops what `errors.FILTERED` names, and nothing else: whether a frame is for us, and whether
it is valid, the responder decides, so that its counters tell.

Two things that are not in the frame's bytes stop it too. The kernel takes VLAN tags out of the
frame before we see it, and marks a frame of somebody else's VLAN or MAC as PACKET_OTHERHOST; and a
socket that listens to all protocols hears what the node itself sends. Both would read as frames of
this link. A socket that is bound to one protocol sees the first without the tag, one that is bound
to ETH_P_ALL with it; the program holds for either.
"""

from typing import Final, NamedTuple


class Instruction(NamedTuple):
    """struct sock_filter of <linux/filter.h>: jumps count from the instruction after."""

    code: int
    jt: int
    jf: int
    k: int


# <linux/bpf_common.h>: class | size | mode, class | operation | source
LD_W_LEN: Final = 0x80  # A = length of the frame
LD_H: Final = 0x28  # A = 16 bits at k
LD_W: Final = 0x20  # A = 32 bits at k
LD_B: Final = 0x30  # A = 8 bits at k
AND_K: Final = 0x54  # A &= k
JEQ_K: Final = 0x15  # A == k ? jt : jf
JGE_K: Final = 0x35  # A >= k ? jt : jf
RET_K: Final = 0x06  # pass k octets; 0 drops

# <linux/filter.h>: offsets that ask the kernel about the packet and not its bytes
AD_PACKET_TYPE: Final = 0xFFFF_F000 + 4
AD_VLAN_TAG: Final = 0xFFFF_F000 + 44
AD_VLAN_TAG_PRESENT: Final = 0xFFFF_F000 + 48
PACKET_OTHERHOST: Final = 3  # <linux/if_packet.h>; 4 is PACKET_OUTGOING, 0 to 2 are for us

PASS_LENGTH: Final = 0xFFFF
"""Octets to hand over: all; a longer NS is then judged whole."""

# The number is the instruction's own; 27 passes the frame, 28 drops it.
PROGRAM: Final = (
    Instruction(LD_B, 0, 0, AD_PACKET_TYPE),  # 0  whom did the kernel take it to be for?
    Instruction(JGE_K, 26, 0, PACKET_OTHERHOST),  # 1  others, or sent by us: drop
    Instruction(LD_B, 0, 0, AD_VLAN_TAG_PRESENT),  # 2  did it come with a tag?
    Instruction(JEQ_K, 3, 0, 0),  # 3  no: to its EtherType (to 7)
    Instruction(LD_H, 0, 0, AD_VLAN_TAG),  # 4  priority, DEI, VLAN ID
    Instruction(AND_K, 0, 0, 0x0FFF),  # 5  VLAN ID; 0 is a priority tag, of no VLAN
    Instruction(JEQ_K, 0, 21, 0),  # 6  another VLAN: drop
    Instruction(LD_H, 0, 0, 12),  # 7  EtherType
    Instruction(JEQ_K, 0, 7, 0x0806),  # 8  not ARP: IPv6? (to 16)
    Instruction(LD_W_LEN, 0, 0, 0),  # 9  ARP: length of the frame
    Instruction(JGE_K, 0, 17, 42),  # 10 not the whole packet: drop
    Instruction(LD_W, 0, 0, 14),  # 11 hardware type, protocol type
    Instruction(JEQ_K, 0, 15, 0x0001_0800),  # 12 not Ethernet and IPv4: drop
    Instruction(LD_W, 0, 0, 18),  # 13 the two address lengths, opcode
    Instruction(JEQ_K, 12, 0, 0x0604_0001),  # 14 6, 4, request: pass
    Instruction(JEQ_K, 11, 12, 0x0604_0002),  # 15 6, 4, reply: pass; else drop
    Instruction(JEQ_K, 0, 11, 0x86DD),  # 16 not IPv6: drop
    Instruction(LD_W_LEN, 0, 0, 0),  # 17 NDP: length of the frame
    Instruction(JGE_K, 0, 9, 78),  # 18 not all up to the target: drop
    Instruction(LD_B, 0, 0, 14),  # 19 version and half of the traffic class
    Instruction(AND_K, 0, 0, 0xF0),  # 20 version
    Instruction(JEQ_K, 0, 6, 0x60),  # 21 not 6: drop
    Instruction(LD_H, 0, 0, 20),  # 22 next header, hop limit
    Instruction(JEQ_K, 0, 4, 0x3AFF),  # 23 not ICMPv6 and 255: drop
    Instruction(LD_B, 0, 0, 54),  # 24 ICMPv6 type
    Instruction(JEQ_K, 1, 0, 135),  # 25 Neighbor Solicitation: pass
    Instruction(JEQ_K, 0, 1, 136),  # 26 Neighbor Advertisement: pass; else drop
    Instruction(RET_K, 0, 0, PASS_LENGTH),  # 27 pass
    Instruction(RET_K, 0, 0, 0),  # 28 drop
)
