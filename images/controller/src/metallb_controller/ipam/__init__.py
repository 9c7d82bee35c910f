"""What an external IPAM and the ledger say of each other, and how NetBox words it; pure."""
