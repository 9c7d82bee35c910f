"""From what is observed to the writes that are needed. Pure."""
