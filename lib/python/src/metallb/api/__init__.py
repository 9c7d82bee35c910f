"""Kubernetes objects parsed once, at the edge, into frozen values."""
