"""Writes what happens in a run, and reads it again; reservations of credits, retention."""
