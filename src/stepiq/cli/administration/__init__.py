"""The commands for accounts, workspaces, members, keys and the audit log of a server on this machine."""
