"""BGP on real sockets: connections and timers that drive the pure core in `metallb_speaker.bgp`."""
