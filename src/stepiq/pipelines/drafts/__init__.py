"""Drafts: texts that a person edits and has not saved, one for each pipeline."""
