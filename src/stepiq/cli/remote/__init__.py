"""The commands that call a server: start and follow runs, decide reviews, store secrets."""
