"""Workspaces of several people: members and their roles, invitations, and service keys."""
