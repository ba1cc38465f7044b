"""The `stepiq` command."""
