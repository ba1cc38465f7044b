"""One module per step type, and the registry of those that can run."""
