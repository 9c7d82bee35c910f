"""ARP and NDP: frames in, frames out. Pure.

    iana, errors ◄ ethernet ◄ arp, ndp ◄ link ◄ responder    one frame in: answer, sighting or drop
                                              ◄ unasked      what is said unasked, by family
    gratuitous    when it is said, and how fast for thousands of addresses
    groups        which multicast groups a link must be in to be asked at all
    filters       what the kernel should not even wake us for

Addresses travel packed, 4 octets or 16, as they are on the wire: the sets that are asked for each
frame hold them so. No state but in `gratuitous` and `groups`; all of it belongs to one link.
"""
