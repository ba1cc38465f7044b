"""Inbound webhooks: another system starts a run."""
