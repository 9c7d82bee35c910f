"""Which node announces which VIP, and who is next. Pure."""
