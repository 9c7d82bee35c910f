"""Which speakers are alive, by authenticated heartbeats. Pure."""
