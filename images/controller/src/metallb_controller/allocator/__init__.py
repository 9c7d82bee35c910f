"""Who holds which address. Pure."""
