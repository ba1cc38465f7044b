"""Inbound webhooks, with which other systems start runs."""
