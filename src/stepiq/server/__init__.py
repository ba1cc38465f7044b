"""The HTTP app, and the process that serves it."""
