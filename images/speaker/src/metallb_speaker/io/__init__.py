"""Sockets, interfaces, the kernel."""
