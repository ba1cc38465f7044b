"""API keys: created, rolled and revoked."""
