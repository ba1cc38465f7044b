"""The commands that need no server: init, validate, run and test."""
