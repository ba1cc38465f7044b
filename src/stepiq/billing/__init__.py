"""Plans, which set the features and limits of workspaces, and usage."""
