"""The local model: its weights, its process, and the connection to it."""
