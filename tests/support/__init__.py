"""What tests share: objects, a world for the reconciler, wires for protocol cores."""
