"""Stored secrets: encrypted, written through the API, read by the engine alone."""
