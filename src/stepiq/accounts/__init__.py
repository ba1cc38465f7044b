"""Accounts: users, their workspaces, sessions and API keys."""
