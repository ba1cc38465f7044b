"""Pipelines, their immutable versions, what may be written in one, and the model catalogue's routes."""
