"""Statements that many modules need: for many rows, for the rights of workspaces, and to delete old rows."""
