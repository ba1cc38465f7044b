"""Pipelines, their immutable versions and secrets, and the routes of the language schema and the model catalogue."""
