"""Judging objects before they are stored: the same words that a condition would say later."""
