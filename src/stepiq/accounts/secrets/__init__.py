"""Stored secrets: encrypted, written through the API, and read only by the engine."""
