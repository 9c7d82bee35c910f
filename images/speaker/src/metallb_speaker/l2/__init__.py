"""ARP and NDP: frames in, frames out. Pure."""
