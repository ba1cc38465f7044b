"""Shared parts of all endpoints: services, transactions, bodies, pages, problems, and the guard around the app."""
