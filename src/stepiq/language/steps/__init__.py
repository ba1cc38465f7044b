"""One module per step type, and the registry that lists those which run."""
