"""Structural schemas of custom resources: defaults, pruning, validation, CEL rules."""
