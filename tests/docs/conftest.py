"""The engine that carries runs, as in its own tests."""

from tests.engine.conftest import engine, fake_provider, providers, world

__all__ = ["engine", "fake_provider", "providers", "world"]
