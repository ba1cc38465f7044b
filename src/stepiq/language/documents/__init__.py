"""Texts of YAML and JSON, with the position of each value."""
