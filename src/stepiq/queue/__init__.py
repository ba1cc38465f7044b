"""Assigns runs to workers: tickets, worker leases and recovery."""
