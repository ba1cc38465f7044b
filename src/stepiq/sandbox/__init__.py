"""Users' code, run in processes of its own: no files, no network, no environment, hard limits."""
