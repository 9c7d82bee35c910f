"""Real routers, each in a network namespace, asked for what they know.

bird         BIRD 2
frr          FRR: zebra, bgpd and bfdd
gobgp        GoBGP
openbgpd     OpenBGPD
exabgp       ExaBGP, which is no router: it says what it hears
pmbmpd       of pmacct, no router either: it collects BMP

All are started with a configuration in their own language and read back through their own tools:
what a test asserts is what the router believes, not what we do. Two share a namespace only if the
configuration gives them different ports.
"""
