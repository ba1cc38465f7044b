"""Runs users' code in separate processes without files, network or environment, and with hard limits."""
