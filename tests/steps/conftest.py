"""The engine that executes runs, as in its own tests."""

from tests.execution.conftest import engine, fake_provider, http, providers, world

__all__ = ["engine", "fake_provider", "http", "providers", "world"]
