"""Shared by all packages: settings, errors, ids, time, logs, JSON, encryption, HTTP."""
