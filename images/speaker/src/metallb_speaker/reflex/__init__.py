"""The reflex process: raw sockets, timers, liveness. It knows nothing of Kubernetes."""
