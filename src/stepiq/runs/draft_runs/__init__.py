"""Runs of drafts, and of one step of a draft."""
