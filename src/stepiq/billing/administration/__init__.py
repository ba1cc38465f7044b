"""Administration of workspaces by administrators of the server: their plans, limits and usage."""
