"""What a move from MetalLB, or from Deckhouse's own module, will do to a cluster. Pure."""
