"""Who calls: users, their workspaces, sessions and API keys."""
