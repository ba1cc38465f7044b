"""The built-in step types: a package for each, registered by the entry points `stepiq.steps`."""
