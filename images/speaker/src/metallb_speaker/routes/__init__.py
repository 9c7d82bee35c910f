"""Pure: which routes this node announces to which peers, and why not the others."""
