"""The commands that call a server: deploy pipelines from a folder, start and follow runs, decide reviews, store secrets."""
