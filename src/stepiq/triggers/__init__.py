"""Automatic triggers of runs: inbound webhooks and schedules."""
