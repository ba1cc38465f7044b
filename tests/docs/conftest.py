"""The engine that carries runs, as in its own tests."""

from tests.execution.conftest import engine, fake_provider, providers, world

__all__ = ["engine", "fake_provider", "providers", "world"]
