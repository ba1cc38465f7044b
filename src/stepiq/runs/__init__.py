"""Runs: start, list, read, cancel, and follow live."""
