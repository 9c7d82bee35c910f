"""The policy process: Kubernetes on one side, the reflex process on the other."""
