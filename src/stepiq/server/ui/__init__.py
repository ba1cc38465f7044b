"""Serves the built web interface."""
