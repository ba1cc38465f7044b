"""Interprets definitions: walks through their steps and records the results."""
