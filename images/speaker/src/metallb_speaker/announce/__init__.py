"""What this node announces, and why. Pure."""
