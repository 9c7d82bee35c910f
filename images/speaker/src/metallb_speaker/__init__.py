"""The speaker: announces addresses from one node."""
