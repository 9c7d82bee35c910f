"""Addresses and ranges of addresses: pure arithmetic."""
