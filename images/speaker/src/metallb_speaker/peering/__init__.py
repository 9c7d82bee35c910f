"""BGP on real sockets: one task a peer around the pure core in `metallb_speaker.bgp`."""
